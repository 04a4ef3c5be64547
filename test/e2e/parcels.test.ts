// An order that leaves in two parcels through the whole mesh: stock, money and state follow each of them, and all books agree.
import pg from "pg";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, expect, test } from "vitest";
import { NotificationsService } from "#gen/ordermesh/notifications/v1/notifications_service_pb.ts";
import { AuditState } from "#gen/ordermesh/operations/v1/audit_report_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { OrderChangesService } from "#gen/ordermesh/orders/v1/changes_service_pb.ts";
import { ReturnsService } from "#gen/ordermesh/orders/v1/returns_service_pb.ts";
import { LedgerEntryType } from "#gen/ordermesh/payments/v1/payment_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { ParcelsService } from "#gen/ordermesh/shipping/v1/parcels_service_pb.ts";
import type { Shipment } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { OrderState, stockOf, testMesh, type TestMesh } from "../support/mesh.ts";
import { refusal } from "../support/refusal.ts";
import { eventually } from "../support/until.ts";

let mesh: TestMesh;
let db: pg.Client;
const secret = `whsec_${Buffer.from("the carrier of this test only").toString("base64")}`;

beforeAll(async () => {
  mesh = await testMesh({
    ORDERMESH_CARRIERS: "STANDARD=external",
    ORDERMESH_CARRIER_WEBHOOK_SECRETS: `external:demo=${secret}`,
    ORDERMESH_AUDIT_GRACE_MS: "300",
    ORDERMESH_AUDIT_EVERY_MS: "100",
  });
  db = new pg.Client({ connectionString: mesh.databaseUrl });
  await db.connect();
});
afterAll(async () => {
  await db.end();
  await mesh.close();
});

/** The carrier says what became of a parcel, and says it twice. */
async function tell({ trackingNumber }: Shipment, type: string): Promise<void> {
  const body = JSON.stringify({ type, trackingNumber, time: new Date().toISOString() });
  const id = `${type}-${trackingNumber}`;
  const now = new Date();
  const headers = {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": String(Math.floor(now.getTime() / 1_000)),
    "webhook-signature": new Webhook(secret).sign(id, now, body),
  };
  for (let time = 0; time < 2; time += 1) {
    const answer = await mesh.fetch("/v1/carrier-webhooks/external/demo", { method: "POST", headers, body });
    expect(answer.status).toBe(200);
  }
}

const paymentOf = async (orderId: string) => (await mesh.client(PaymentsService).getPayment({ orderId })).payment;
const ledgerOf = async (orderId: string) => {
  const { ledger = [] } = (await paymentOf(orderId)) ?? {};
  return ledger.map(({ type, amount }) => `${type} ${amount?.minorUnits}`);
};

/** Three of one thing at 10 EUR and one of another at 7 EUR, the latter in a parcel of its own. */
async function splitOrder(name: string) {
  const [mugs, tea] = [`${name}-MUG`, `${name}-TEA`];
  await mesh.product(mugs, { stock: 10 });
  await mesh.product(tea, { stock: 10, minorUnits: 700 });
  const items = [
    { sku: mugs, quantity: 3n },
    { sku: tea, quantity: 1n },
  ];
  const { orderId } = await mesh.place({ items });
  await mesh.reached(orderId, OrderState.PENDING_SHIPMENT);
  const parcels = mesh.client(ParcelsService);
  let shipmentId = "";
  await eventually(async () => {
    shipmentId = (await parcels.listShipments({ orderId })).shipments[0]?.shipmentId ?? "";
  });
  const path = `/v1/shipments/${shipmentId}:split`;
  const split = () =>
    mesh.fetch(path, {
      method: "POST",
      headers: { "content-type": "application/json", "idempotency-key": "split-1" },
      body: JSON.stringify({ lines: [{ sku: tea, quantity: "1" }] }),
    });
  expect([(await split()).status, (await split()).status]).toEqual([200, 200]);
  const [one, other] = (await parcels.listShipments({ orderId })).shipments;
  if (!one || !other) throw new Error("one parcel");
  await eventually(async () => expect((await mesh.orders.getOrder({ orderId })).order?.parcels).toHaveLength(2));
  return { orderId, mugs, tea, one, other };
}

const cleanAudit = () =>
  eventually(async () => {
    const { report } = await mesh.client(OperationsService).runAudit({});
    expect(report?.violations).toEqual([]);
    expect(report?.state).toBe(AuditState.CLEAN);
  });

test("each parcel takes its part of stock and money as it leaves, and the order arrives with the last one", async () => {
  const { orderId, mugs, tea, one, other } = await splitOrder("BOTH");
  const changes = mesh.client(OrderChangesService);
  const { refusals } = await changes.previewOrderChange({ orderId, wish: { lines: [{ sku: mugs, quantity: 1n }] } });
  expect(refusals.map(({ reason }) => reason)).toContain("ORDER_SPLIT");
  await tell(other, "picked_up");
  const partly = await mesh.reached(orderId, OrderState.PARTIALLY_SHIPPED);
  expect(partly.parcels).toMatchObject([{ shipmentId: one.shipmentId }, { shipmentId: other.shipmentId, lines: [{ sku: tea }] }]);
  await eventually(async () => expect((await paymentOf(orderId))?.captured?.minorUnits).toBe(700n));
  await eventually(async () => expect(await stockOf(mesh, tea)).toEqual({ onHand: 9, reserved: 0, moved: 9 }));
  expect(await stockOf(mesh, mugs)).toEqual({ onHand: 10, reserved: 3, moved: 10 });
  expect((await refusal(mesh.orders.cancelOrder({ orderId }))).reason).toBe("ORDER_ALREADY_DISPATCHED");
  await tell(other, "delivered");
  await tell(one, "picked_up");
  const { total } = await mesh.reached(orderId, OrderState.SHIPPED);
  await eventually(async () => expect((await paymentOf(orderId))?.captured).toEqual(total));
  expect((await ledgerOf(orderId)).length).toBe(3);
  await tell(one, "delivered");
  await mesh.reached(orderId, OrderState.DELIVERED);
  expect(await stockOf(mesh, mugs)).toEqual({ onHand: 7, reserved: 0, moved: 7 });
  const { steps } = (await mesh.client(OperationsService).explainOrder({ orderId })).explanation ?? {};
  const words = (steps ?? []).map(({ text }) => text).join("\n");
  for (const { shipmentId } of [one, other]) expect(words).toContain(`the parcel has arrived (${shipmentId})`);
  expect(words).toContain("PARTIALLY_SHIPPED");
  // The buyer hears of each parcel, and not once more of the whole.
  await eventually(async () => {
    const { notifications } = await mesh.client(NotificationsService).listOrderNotifications({ orderId });
    const facts = notifications.map(({ fact }) => fact);
    expect(facts).toContain("delivered");
    expect(facts.filter((fact) => fact.includes("shipped"))).toEqual(["parcel_shipped", "parcel_shipped"]);
  });
  await cleanAudit();
});

test("an order that is cancelled before either leaves has nothing held, taken or sent", async () => {
  const { orderId, mugs, tea, one } = await splitOrder("NONE");
  await mesh.orders.cancelOrder({ orderId });
  await mesh.reached(orderId, OrderState.CANCELLED);
  await eventually(async () => expect((await paymentOf(orderId))?.captured?.minorUnits ?? 0n).toBe(0n));
  for (const sku of [mugs, tea]) {
    await eventually(async () => expect(await stockOf(mesh, sku)).toEqual({ onHand: 10, reserved: 0, moved: 10 }));
  }
  const states = (await mesh.client(ParcelsService).listShipments({ orderId })).shipments.map(({ state }) => state);
  expect(new Set(states).size).toBe(1);
  // Nobody takes it along any more.
  await tell(one, "picked_up");
  expect((await mesh.orders.getOrder({ orderId })).order?.state).toBe(OrderState.CANCELLED);
  await cleanAudit();
});

test("a parcel that comes back gives back what is in it, and the buyer sends back no more than arrived", async () => {
  const { orderId, mugs, tea, one, other } = await splitOrder("BACK");
  await tell(other, "picked_up");
  await tell(other, "returned_to_sender");
  await eventually(async () => expect((await paymentOf(orderId))?.refunded?.minorUnits).toBe(700n));
  await tell(one, "delivered");
  const { total } = await mesh.reached(orderId, OrderState.DELIVERED);
  await eventually(async () => expect((await paymentOf(orderId))?.captured).toEqual(total));
  const returns = mesh.client(ReturnsService);
  const ask = (sku: string, quantity: bigint) =>
    returns.requestReturn({ orderId, lines: [{ sku, quantity }], requestId: `${sku}-${quantity}` });
  expect((await refusal(ask(tea, 1n))).reason).toBe("NOTHING_TO_RETURN");
  await ask(mugs, 3n);
  const refunds = await db.query("select return_id, amount_minor_units from payments.return_refund where order_id = $1", [
    orderId,
  ]);
  expect(refunds.rows).toEqual([{ return_id: other.shipmentId, amount_minor_units: 700 }]);
  await cleanAudit();
});

test("where all come back, all of the money does, once", async () => {
  const { orderId, one, other } = await splitOrder("ALL");
  await tell(one, "returned_to_sender");
  await tell(other, "returned_to_sender");
  const { total } = await mesh.reached(orderId, OrderState.RETURNED);
  // What was not yet taken when the last came back is never taken: its hold goes back instead.
  await eventually(async () => {
    const payment = await paymentOf(orderId);
    expect(payment?.refunded).toEqual(payment?.captured);
    const moved = (kind: LedgerEntryType): bigint =>
      (payment?.ledger ?? [])
        .filter(({ type }) => type === kind)
        .reduce((sum, { amount }) => sum + (amount?.minorUnits ?? 0n), 0n);
    expect(moved(LedgerEntryType.CAPTURE) + moved(LedgerEntryType.VOID)).toBe(total?.minorUnits);
    expect(moved(LedgerEntryType.REFUND)).toBe(moved(LedgerEntryType.CAPTURE));
  });
  await cleanAudit();
});

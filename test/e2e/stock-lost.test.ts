// Stock of an order that is ready, through the whole mesh: it is not given to another however late that is heard, and where it was
// given back all the same, the parcel is stopped before the order ends, or has left and is paid.
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { jetstreamManager, type JetStreamManager } from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AssessmentState } from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { InventoryAuditService } from "#gen/ordermesh/inventory/v1/inventory_audit_pb.ts";
import { ReservationState } from "#gen/ordermesh/inventory/v1/stock_pb.ts";
import { AuditState } from "#gen/ordermesh/operations/v1/audit_report_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { FraudStatus, InventoryStatus } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { PaymentState } from "#gen/ordermesh/payments/v1/payment_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { ShipmentState } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { ShippingService } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { clientSecretOf } from "#runtime/access/settings.ts";
import { eventStream } from "#runtime/events/streams.ts";
import { bearer } from "../../tools/bearer.ts";
import { throwAwayIdentity } from "../../tools/operator.ts";
import { OrderState, stockOf, testMesh, type TestMesh } from "../support/mesh.ts";
import { refusal } from "../support/refusal.ts";
import { eventually } from "../support/until.ts";

let mesh: TestMesh;
let db: pg.Client;
let nats: NatsConnection;
let manager: JetStreamManager;

beforeAll(async () => {
  mesh = await testMesh({
    ORDERMESH_CARRIER_DISPATCH_MS: "600000",
    ORDERMESH_AUDIT_GRACE_MS: "300",
    ORDERMESH_AUDIT_EVERY_MS: "100",
  });
  db = new pg.Client({ connectionString: mesh.databaseUrl });
  nats = await connect({ servers: mesh.natsUrl });
  [manager] = await Promise.all([jetstreamManager(nats), db.connect()]);
});
afterAll(async () => {
  await Promise.all([db.end(), nats.close()]);
  await mesh.close();
});

/** Whatever is told is late for the service, until it is let go on. */
async function holdBack(service: string): Promise<() => Promise<void>> {
  const names: string[] = [];
  for await (const { name } of manager.consumers.list(eventStream)) if (name.startsWith(`${service}_p`)) names.push(name);
  expect(names).not.toEqual([]);
  const later = new Date(Date.now() + 3_600_000);
  await Promise.all(names.map((name) => manager.consumers.pause(eventStream, name, later)));
  return async () => {
    await Promise.all(names.map((name) => manager.consumers.resume(eventStream, name)));
  };
}

const reservationOf = async (orderId: string) => (await mesh.inventory.getReservation({ orderId })).reservation?.state;
const shipmentOf = async (orderId: string) => (await mesh.client(ShippingService).getShipment({ orderId })).shipment?.state;
const paymentOf = async (orderId: string) => (await mesh.client(PaymentsService).getPayment({ orderId })).payment;

/** As a service that has not heard of the order's end would. */
async function withdraw(orderId: string): Promise<void> {
  const clientSecret = clientSecretOf("operations", throwAwayIdentity);
  const { accessToken } = await mesh
    .client(IdentityService)
    .issueToken({ grantType: "client_credentials", clientId: "operations", clientSecret, tenant: "demo" });
  const interceptors = [bearer(() => Promise.resolve(accessToken))];
  const transport = createConnectTransport({ baseUrl: mesh.rpcUrl, httpVersion: "2", interceptors });
  await createClient(InventoryAuditService, transport).releaseReservation({ orderId, reason: "taken for another's" });
}

/** The carrier comes for the parcel now. */
const leave = (orderId: string) =>
  eventually(async () => {
    await db.query("update shipping.due_work set due_time = now() where key = $1 and kind = 'shipping.dispatch'", [orderId]);
    expect(await shipmentOf(orderId)).not.toBe(ShipmentState.CREATED);
  });

async function readyOrder(sku: string): Promise<string> {
  await mesh.product(sku, { stock: 2 });
  const { orderId } = await mesh.place({ items: [{ sku, quantity: 1n }] });
  await mesh.reached(orderId, OrderState.PENDING_SHIPMENT);
  await eventually(async () => {
    expect(await shipmentOf(orderId)).toBe(ShipmentState.CREATED);
    expect(await reservationOf(orderId)).toBe(ReservationState.FIRM);
  });
  return orderId;
}

test("a hold lasts longer than its time where its order is ready and inventory has not heard of it yet", async () => {
  await mesh.product("LATE", { stock: 1, minorUnits: 600_000 });
  const basket = { items: [{ sku: "LATE", quantity: 1n }] };
  const { orderId } = await mesh.place(basket);
  const judged = { fraud: FraudStatus.REVIEW, inventory: InventoryStatus.RESERVED };
  await eventually(async () => expect((await mesh.orders.getOrder({ orderId })).order?.services).toMatchObject(judged));
  const goOn = await holdBack("inventory");
  await mesh.client(FraudService).decideAssessment({ orderId, decision: AssessmentState.CLEARED, note: "known customer" });
  await mesh.reached(orderId, OrderState.PENDING_SHIPMENT);
  const holds = "inventory.due_work where key = $1 and kind = 'inventory.hold.expire'";
  await db.query(`update inventory.due_work set due_time = now() where id in (select id from ${holds})`, [orderId]);
  await eventually(async () => expect((await db.query(`select from ${holds}`, [orderId])).rowCount).toBe(0));
  expect(await reservationOf(orderId)).toBe(ReservationState.FIRM);
  expect((await refusal(mesh.place(basket))).reason).toBe("STOCK_UNAVAILABLE");
  await leave(orderId);
  await goOn();
  const { total } = await mesh.reached(orderId, OrderState.DELIVERED);
  await eventually(async () => expect(await stockOf(mesh, "LATE")).toEqual({ onHand: 0, reserved: 0, moved: 0 }));
  await eventually(async () => expect((await paymentOf(orderId))?.captured).toEqual(total));
});

test("an order that has lost its stock ends once its parcel is stopped, and its money goes back", async () => {
  const orderId = await readyOrder("STOPPED");
  await withdraw(orderId);
  expect(await mesh.reached(orderId, OrderState.CANCELLED)).toMatchObject({ cancelReason: "STOCK_LOST" });
  expect(await shipmentOf(orderId)).toBe(ShipmentState.STOPPED);
  await eventually(async () => expect((await paymentOf(orderId))?.state).toBe(PaymentState.VOIDED));
  expect(await stockOf(mesh, "STOPPED")).toEqual({ onHand: 2, reserved: 0, moved: 2 });
});

test("a parcel that has left before that is known is shipped and paid, and its units leave the books", async () => {
  const orderId = await readyOrder("LEFT");
  const goOn = await holdBack("orders");
  await withdraw(orderId);
  await leave(orderId);
  await goOn();
  const { total } = await mesh.reached(orderId, OrderState.DELIVERED);
  await eventually(async () => expect((await paymentOf(orderId))?.captured).toEqual(total));
  await eventually(async () => expect(await stockOf(mesh, "LEFT")).toEqual({ onHand: 1, reserved: 0, moved: 1 }));
  expect(await reservationOf(orderId)).toBe(ReservationState.SHIPPED);
});

test("all books agree, and nothing waits for a person", async () => {
  await eventually(async () => {
    const { report } = await mesh.client(OperationsService).runAudit({});
    expect({ state: report?.state, violations: report?.violations }).toEqual({ state: AuditState.CLEAN, violations: [] });
  });
  expect((await db.query("select code, type_name, key from operations.dead_letter")).rows).toEqual([]);
});

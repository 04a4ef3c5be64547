// Orders are changed in the whole mesh until their parcels leave: stock, money and parcel follow, whoever comes in between.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OrderChangesService, type OrderChangeWish } from "#gen/ordermesh/orders/v1/changes_service_pb.ts";
import { OrderChangeState } from "#gen/ordermesh/orders/v1/order_change_pb.ts";
import { FraudStatus, InventoryStatus, type Order } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { ShippingMethod } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { AssessmentState } from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { AuditState } from "#gen/ordermesh/operations/v1/audit_report_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { refusal } from "../support/refusal.ts";
import { OrderState, stockOf, testMesh, type Basket, type TestMesh } from "../support/mesh.ts";
import { eventually } from "../support/until.ts";

let mesh: TestMesh;
/** One that locks, and one that looks meanwhile. */
let db: pg.Client;
let audit: pg.Client;

beforeAll(async () => {
  mesh = await testMesh({
    ORDERMESH_CARRIER_DISPATCH_MS: "600000",
    ORDERMESH_AUDIT_GRACE_MS: "300",
    ORDERMESH_AUDIT_EVERY_MS: "100",
  });
  [db, audit] = [new pg.Client({ connectionString: mesh.databaseUrl }), new pg.Client({ connectionString: mesh.databaseUrl })];
  await Promise.all([db.connect(), audit.connect()]);
});
afterAll(async () => {
  await Promise.all([db.end(), audit.end()]);
  await mesh.close();
});

type Wish = Partial<Pick<OrderChangeWish, "shippingMethod" | "shippingAddress">> & {
  lines?: { sku: string; quantity: bigint }[];
};

const changes = () => mesh.client(OrderChangesService);
const preview = (orderId: string, wish: Wish) => changes().previewOrderChange({ orderId, wish });
let requests = 0;
async function confirm(orderId: string, wish: Wish, requestId = `change-${++requests}`) {
  const { token, refusals } = await preview(orderId, wish);
  expect(refusals).toEqual([]);
  return (await changes().confirmOrderChange({ orderId, wish, token, requestId })).change;
}

/** Two products of its own, and an order of 3 of the first: 30 EUR and the cost of sending. */
async function ordered(name: string, change: Basket = {}) {
  const [one, other] = [`${name}-1`, `${name}-2`];
  await Promise.all([mesh.product(one, { stock: 10 }), mesh.product(other, { stock: 2, minorUnits: 500 })]);
  const order = await mesh.place({ items: [{ sku: one, quantity: 3n }], ...change });
  const reservedOf = async () => [(await stockOf(mesh, one)).reserved, (await stockOf(mesh, other)).reserved];
  return { orderId: order.orderId, one, other, reservedOf };
}
const ready = async ({ orderId }: { orderId: string }): Promise<Order> => {
  const order = await mesh.reached(orderId, OrderState.PENDING_SHIPMENT);
  // Its parcel is made, so that nothing changes it any more while the test looks.
  await eventually(async () => expect((await mesh.orders.getOrder({ orderId })).order?.trackingNumber).not.toBe(""));
  return order;
};
const read = async (orderId: string): Promise<Order> => {
  const { order } = await mesh.orders.getOrder({ orderId });
  if (!order) throw new Error("no order in the answer");
  return order;
};
const refusalsOf = async (orderId: string, wish: Wish) => (await preview(orderId, wish)).refusals.map(({ reason }) => reason);
const paymentOf = async (orderId: string) => (await mesh.client(PaymentsService).getPayment({ orderId })).payment;
const soon = (ms: number) => timestampFromDate(new Date(Date.now() + ms));

/** The carrier comes for the parcel now. */
const dispatch = (orderId: string, client = db) =>
  client.query("update shipping.due_work set due_time = now() where key = $1 and kind = 'shipping.dispatch'", [orderId]);

async function dispatched(orderId: string): Promise<Order> {
  await eventually(async () => {
    await dispatch(orderId);
    expect([OrderState.SHIPPED, OrderState.DELIVERED]).toContain((await read(orderId)).state);
  });
  return read(orderId);
}

const address = { recipient: "Ada", lines: ["1 Main St"], city: "Bonn", postalCode: "53113", region: "", countryCode: "DE" };
const inGermany = { ...address, $typeName: "ordermesh.type.v1.Address" } as const;

test("fewer of one, some of another, elsewhere and faster: stock, parcel and money are what the order has become", async () => {
  const about = await ordered("EDIT", { shippingAddress: address });
  const { orderId, one, other, reservedOf } = about;
  const before = await ready(about);
  const lines = [
    { sku: one, quantity: 1n },
    { sku: other, quantity: 1n },
  ];
  const elsewhere = { ...inGermany, lines: ["2 Other St"] };
  const change = await confirm(orderId, { lines, shippingMethod: ShippingMethod.EXPRESS, shippingAddress: elsewhere });
  expect(change).toMatchObject({ state: OrderChangeState.APPLIED, before: { total: before.total } });
  const order = await read(orderId);
  expect(order.items).toMatchObject([
    { sku: one, quantity: 1n, unitPrice: { minorUnits: 1000n } },
    { sku: other, quantity: 1n, unitPrice: { minorUnits: 500n } },
  ]);
  expect(order).toMatchObject({ total: change?.after?.total, shippingAddress: { lines: ["2 Other St"] } });
  expect(order.lastChange).toMatchObject({ changeId: change?.changeId, state: OrderChangeState.APPLIED });
  expect(order.timeline.at(-1)).toMatchObject({ state: OrderState.PENDING_SHIPMENT, reason: "CHANGED" });
  await eventually(async () => expect(await reservedOf()).toEqual([1, 1]));
  const shipped = await dispatched(orderId);
  await eventually(async () => expect((await paymentOf(orderId))?.captured).toEqual(shipped.total));
  expect((await paymentOf(orderId))?.amount).toEqual(before.total);
  expect(await stockOf(mesh, one)).toMatchObject({ onHand: 9, reserved: 0, moved: 9 });
  expect(await stockOf(mesh, other)).toMatchObject({ onHand: 1, reserved: 0, moved: 1 });
  expect(await refusalsOf(orderId, { lines })).toContain("ORDER_ALREADY_DISPATCHED");
});

test("what speaks against a change is said beforehand, and refuses it", async () => {
  const about = await ordered("AGAINST", { shippingAddress: address });
  const { orderId, one, other } = about;
  await ready(about);
  expect(await refusalsOf(orderId, { lines: [{ sku: one, quantity: 4n }] })).toEqual(["TOTAL_ABOVE_AUTHORIZED"]);
  expect(await refusalsOf(orderId, { lines: [{ sku: one, quantity: 0n }] })).toEqual(["NO_LINES_LEFT"]);
  expect(await refusalsOf(orderId, { lines: [{ sku: one, quantity: 3n }] })).toEqual(["NOTHING_CHANGES"]);
  expect(await refusalsOf(orderId, { lines: [{ sku: "GHOST", quantity: 1n }] })).toContain("PRODUCT_NOT_FOUND");
  expect(await refusalsOf(orderId, { shippingAddress: { ...inGermany, countryCode: "FR" } })).toContain("COUNTRY_FIXED");
  const short = await preview(orderId, {
    lines: [
      { sku: one, quantity: 1n },
      { sku: other, quantity: 3n },
    ],
  });
  expect(short).toMatchObject({ token: "", stock: [{ sku: other, added: 3n, available: 2n, short: 1n }] });
  expect(short.refusals.map(({ reason }) => reason)).toContain("STOCK_UNAVAILABLE");

  const wish = { lines: [{ sku: one, quantity: 1n }] };
  const shown = await preview(orderId, wish);
  expect(shown.difference?.minorUnits).toBeLessThan(0n);
  const send = (change: object) =>
    refusal(changes().confirmOrderChange({ orderId, wish, token: shown.token, requestId: `against-${++requests}`, ...change }));
  expect(await send({ token: "1.2.3" })).toMatchObject({ reason: "CHANGE_TOKEN_INVALID" });
  expect(await send({ wish: { lines: [{ sku: one, quantity: 2n }] } })).toMatchObject({ reason: "CHANGE_TOKEN_INVALID" });
  expect(await send({ expectedTotal: { currencyCode: "EUR", minorUnits: 1n } })).toMatchObject({ reason: "TOTAL_MISMATCH" });
  await confirm(orderId, { lines: [{ sku: one, quantity: 2n }] });
  expect(await send({})).toEqual({ code: Code.Aborted, reason: "CHANGE_OUTDATED" });
});

test("ten confirmations of one request are one change, and of two changes at once one is told to wait", async () => {
  const about = await ordered("REPEAT");
  const { orderId, one } = about;
  await ready(about);
  const wishes = [1n, 2n].map((quantity) => ({ lines: [{ sku: one, quantity }] }));
  const [first, second] = await Promise.all(wishes.map((wish) => preview(orderId, wish)));
  const send = (index: number, token = "", requestId = `repeat-${index}`) =>
    changes().confirmOrderChange({ orderId, wish: wishes[index]!, token, requestId });
  const answers = await Promise.all(Array.from({ length: 10 }, () => send(0, first?.token)));
  expect(new Set(answers.map(({ change }) => change?.changeId)).size).toBe(1);
  expect(await refusal(send(1, second?.token))).toMatchObject({ code: Code.Aborted, reason: "CHANGE_OUTDATED" });
  expect(await refusal(send(1, second?.token, "repeat-0"))).toMatchObject({ reason: "REQUEST_ID_REUSED" });
  expect((await changes().listOrderChanges({ orderId })).changes).toHaveLength(1);
});

test("while a change is under way the parcel stays, another change waits, and a cancellation wins", async () => {
  const about = await ordered("CROSS");
  const { orderId, one, other, reservedOf } = about;
  await ready(about);
  // Inventory cannot answer before this row is let go.
  await db.query("begin");
  await db.query("select from inventory.reservation where order_id = $1 for update", [orderId]);
  const wish = {
    lines: [
      { sku: one, quantity: 1n },
      { sku: other, quantity: 2n },
    ],
  };
  const confirmed = confirm(orderId, wish);
  await eventually(async () => expect((await read(orderId)).lastChange?.state).toBe(OrderChangeState.REQUESTED));
  expect(await refusalsOf(orderId, wish)).toContain("CHANGE_UNDER_WAY");
  await mesh.orders.cancelOrder({ orderId, reason: "changed my mind" });
  await db.query("commit");
  expect(await confirmed).toMatchObject({ state: OrderChangeState.REFUSED, reason: "ORDER_CANCELLED" });
  expect((await read(orderId)).lastChange).toMatchObject({ state: OrderChangeState.REFUSED, reason: "ORDER_CANCELLED" });
  await eventually(async () => expect(await reservedOf()).toEqual([0, 0]));
});

test("a parcel that is to leave in the middle of a change waits for its end, and leaves with what was changed", async () => {
  const about = await ordered("LEAVING");
  const { orderId, one } = about;
  await ready(about);
  await db.query("begin");
  await db.query("select from inventory.reservation where order_id = $1 for update", [orderId]);
  const confirmed = confirm(orderId, { lines: [{ sku: one, quantity: 1n }] });
  await eventually(async () => {
    const held = await audit.query("select from shipping.parcel_hold where order_id = $1", [orderId]);
    expect(held.rows).toHaveLength(1);
  });
  await dispatch(orderId, audit);
  await eventually(async () => {
    const waits = await audit.query("select from shipping.due_work where key = $1 and due_time > now()", [orderId]);
    expect(waits.rows).toHaveLength(1);
  });
  expect((await read(orderId)).state).toBe(OrderState.PENDING_SHIPMENT);
  await db.query("commit");
  expect((await confirmed)?.state).toBe(OrderChangeState.APPLIED);
  const shipped = await dispatched(orderId);
  await eventually(async () => expect((await paymentOf(orderId))?.captured).toEqual(shipped.total));
  expect(await stockOf(mesh, one)).toMatchObject({ onHand: 9, reserved: 0 });
});

test("an order that nobody has been told of may cost more, and begins as it is then", async () => {
  const { orderId, one, other, reservedOf } = await ordered("LATER", { processAfter: soon(3_000) });
  const lines = [
    { sku: one, quantity: 5n },
    { sku: other, quantity: 1n },
  ];
  const change = await confirm(orderId, { lines });
  expect(change).toMatchObject({ state: OrderChangeState.APPLIED });
  const order = await mesh.reached(orderId, OrderState.PENDING_SHIPMENT);
  expect(order.total).toEqual(change?.after?.total);
  expect(await reservedOf()).toEqual([5, 1]);
  expect((await paymentOf(orderId))?.amount).toEqual(order.total);
});

test("an order that waits for a person may become smaller, not dearer; it is paid as it is then", async () => {
  await mesh.product("DEAR", { minorUnits: 300_000 });
  const { orderId } = await mesh.place({ items: [{ sku: "DEAR", quantity: 2n }], requestId: "dear-1" });
  const judged = { fraud: FraudStatus.REVIEW, inventory: InventoryStatus.RESERVED };
  await eventually(async () => expect((await read(orderId)).services).toMatchObject(judged));
  expect(await refusalsOf(orderId, { lines: [{ sku: "DEAR", quantity: 3n }] })).toEqual(["TOTAL_ABOVE_SCREENED"]);
  const change = await confirm(orderId, { lines: [{ sku: "DEAR", quantity: 1n }] });
  expect(change?.state).toBe(OrderChangeState.APPLIED);
  await mesh.client(FraudService).decideAssessment({ orderId, decision: AssessmentState.CLEARED, note: "known customer" });
  const order = await mesh.reached(orderId, OrderState.PENDING_SHIPMENT);
  expect(order.total).toEqual(change?.after?.total);
  expect((await paymentOf(orderId))?.amount).toEqual(order.total);
  // What was asked for is the most from then on.
  expect(await refusalsOf(orderId, { lines: [{ sku: "DEAR", quantity: 2n }] })).toEqual(["TOTAL_ABOVE_AUTHORIZED"]);
  // A repeat of the request that placed it is answered as the first was.
  const again = await mesh.place({ items: [{ sku: "DEAR", quantity: 2n }], requestId: "dear-1" });
  expect(again).toMatchObject({ orderId, items: [{ quantity: 2n }] });
});

test("the auditor finds nothing that disagrees", async () => {
  const operations = mesh.client(OperationsService);
  await eventually(async () => {
    const { report } = await operations.runAudit({});
    const seen = report?.violations.map(({ check, key, figures }) => ({ check, key, figures }));
    expect({ state: report?.state, seen }).toEqual({ state: AuditState.CLEAN, seen: [] });
  });
});

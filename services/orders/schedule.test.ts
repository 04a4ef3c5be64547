// Orders that are to begin later: accepted now at today's prices, and nothing runs early.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, type Client } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FraudClearedSchema } from "#gen/ordermesh/fraud/events/v1/fraud_events_pb.ts";
import { StockReservedSchema } from "#gen/ordermesh/inventory/events/v1/inventory_events_pb.ts";
import { OrderPriority, OrderState, type Order } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { OrdersAuditService } from "#gen/ordermesh/orders/v1/orders_audit_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { PaymentAuthorizedSchema } from "#gen/ordermesh/payments/events/v1/payments_events_pb.ts";
import { refusal, refusalError, refusalWithMetadata } from "../../test/support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { orders } from "./main.ts";
import { neighbours, type Neighbours } from "./neighbours.fixture.ts";
import type { OrdersTables } from "./store/tables.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
let now = new Date();
let fixture: ServiceFixture<OrdersTables>;
let around: Neighbours;
let client: Client<typeof OrdersService>;

beforeEach(async () => {
  now = new Date("2026-05-04T03:02:01Z");
  around = neighbours();
  fixture = await serviceFixture(orders, { others: around.routes, clock: { now: () => now } });
  client = fixture.client(OrdersService);
});
afterEach(() => fixture.close());

const basket = {
  customerId: "ada",
  currency: "EUR",
  paymentToken: "tok_success",
  paymentMethodBin: "424242",
  deviceFingerprint: "device-7",
  items: [{ sku: "MUG", quantity: 2n }],
};
const at = (inMs: number) => timestampFromDate(new Date(now.getTime() + inMs));

async function place(change: object = {}): Promise<Order> {
  const { order } = await client.placeOrder({ ...basket, ...change });
  if (!order) throw new Error("no order in the answer");
  return order;
}
const schedule = (change: object = {}) => place({ processAfter: at(hourMs), ...change });
const read = async (orderId: string): Promise<Order | undefined> => (await client.getOrder({ orderId })).order;
const sent = async (): Promise<string[]> => (await fixture.sent()).map(({ typeName }) => typeName.split(".").at(-1) ?? "");
const statesOf = (order: Order | undefined): OrderState[] => order?.timeline.map(({ state }) => state) ?? [];

/** The time passes, and what is due in it is done. */
async function pass(ms: number): Promise<number> {
  now = new Date(now.getTime() + ms);
  return fixture.runDue(now);
}

test("it is accepted at today's price, tells nobody, and begins at its time with the time of a new order before it", async () => {
  const order = await schedule();
  expect(order).toMatchObject({ state: OrderState.SCHEDULED, total: { minorUnits: 3000n }, processAfter: at(hourMs) });
  expect(order.expireTime).toBeUndefined();
  expect(await pass(hourMs - 1)).toBe(0);
  expect(await sent()).toEqual([]);
  around.prices.set("MUG", 9_999n);
  expect(await pass(1)).toBe(1);
  const begun = await read(order.orderId);
  expect(statesOf(begun)).toEqual([OrderState.SCHEDULED, OrderState.PENDING]);
  expect(begun).toMatchObject({ total: { minorUnits: 3000n }, expireTime: at(900_000) });
  expect(await fixture.sent()).toMatchObject([
    {
      typeName: "ordermesh.orders.events.v2.OrderCreated",
      sequence: 1,
      message: {
        orderId: order.orderId,
        buyer: { customerId: "ada", paymentMethodBin: "424242", deviceFingerprint: "device-7" },
        lines: [{ sku: "MUG", quantity: 2n, unitPrice: { minorUnits: 1250n } }],
        total: { currencyCode: "EUR", minorUnits: 3000n },
        expireTime: at(900_000),
      },
    },
  ]);
  // What screening was told is not kept.
  const kept = await sql<{ screening: unknown }>`select screening from orders`.execute(fixture.runtime.db);
  expect(kept.rows).toEqual([{ screening: null }]);
  expect(await pass(900_000)).toBe(1);
  expect((await read(order.orderId))?.cancelReason).toBe("EXPIRED");
});

test("it fires once however many are at it", async () => {
  await Promise.all(Array.from({ length: 20 }, () => schedule()));
  now = new Date(now.getTime() + hourMs);
  const done = await Promise.all(Array.from({ length: 4 }, () => fixture.runDue(now).catch(() => 0)));
  expect(done.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(20);
  expect((await sent()).filter((name) => name === "OrderCreated").length).toBe(20);
});

test("a time that is past is now, and more than 90 days ahead is refused", async () => {
  expect(await place({ processAfter: at(-1) })).toMatchObject({ state: OrderState.PENDING });
  expect((await schedule({ processAfter: at(90 * dayMs) })).state).toBe(OrderState.SCHEDULED);
  expect(await refusal(schedule({ processAfter: at(90 * dayMs + 1) }))).toMatchObject({
    code: Code.InvalidArgument,
    reason: "PROCESS_AFTER_TOO_LATE",
  });
});

test("what is not to be had now is refused now", async () => {
  expect(await refusal(schedule({ items: [{ sku: "TEA", quantity: 3n }] }))).toMatchObject({ reason: "STOCK_UNAVAILABLE" });
});

test("its cancellation is immediate, and it never begins", async () => {
  const { orderId } = await schedule();
  const { order } = await client.cancelOrder({ orderId, reason: "changed my mind" });
  expect(order).toMatchObject({ state: OrderState.CANCELLED, cancelReason: "CANCELLED_BY_REQUEST" });
  expect(order?.expireTime).toBeUndefined();
  expect(around.stopped).toEqual([]);
  expect(await pass(dayMs)).toBe(0);
  expect(await fixture.sent()).toMatchObject([{ typeName: "ordermesh.orders.events.v1.OrderCancelled", sequence: 1 }]);
});

test("a repeat gets the first answer, also when it has begun since", async () => {
  const request = { requestId: "once", note: "ring twice", priority: OrderPriority.RUSH, processAfter: at(hourMs) };
  const answers = await Promise.all(Array.from({ length: 100 }, () => place(request)));
  for (const answer of answers) expect(answer).toEqual(answers[0]);
  await pass(hourMs);
  expect(await place(request)).toEqual(answers[0]);
  expect(await refusal(place({ ...request, priority: OrderPriority.NORMAL }))).toMatchObject({ reason: "REQUEST_ID_REUSED" });
});

test("an audit names its time, and finds one that nothing would ever begin; a resume mends that", async () => {
  const audits = fixture.client(OrdersAuditService);
  const { orderId } = await schedule();
  const audited = await audits.auditOrders({ openOnly: true });
  expect(audited.discrepancies).toEqual([]);
  expect(audited.orders).toMatchObject([{ orderId, waitsFor: "schedule", waitsUntil: at(hourMs), eventsSent: 0n }]);
  expect(audited.orders[0]?.releaseTime).toBeUndefined();
  await sql`delete from due_work`.execute(fixture.runtime.db);
  expect((await audits.auditOrders({})).discrepancies).toMatchObject([{ check: "orders.next_step", key: orderId }]);
  await audits.resumeOrder({ orderId, reason: "its work was lost" });
  expect((await audits.auditOrders({})).discrepancies).toEqual([]);
  expect(await pass(hourMs)).toBe(1);
  const [entry] = (await audits.auditOrders({})).orders;
  expect(entry).toMatchObject({ releaseTime: at(0), waitsFor: "inventory" });
});

test("priority and note are kept and shown, the priority is told to the shelves and can be asked for", async () => {
  const rush = await place({ priority: OrderPriority.RUSH, note: "ring twice" });
  const normal = await place();
  expect(rush).toMatchObject({ priority: OrderPriority.RUSH, note: "ring twice" });
  expect(normal).toMatchObject({ priority: OrderPriority.NORMAL, note: "" });
  expect(await read(rush.orderId)).toEqual(rush);
  const listed = async (priority: OrderPriority) =>
    (await client.listOrders({ priority, customerId: "ada" })).orders.map(({ orderId }) => orderId);
  expect(await listed(OrderPriority.RUSH)).toEqual([rush.orderId]);
  expect(await listed(OrderPriority.NORMAL)).toEqual([normal.orderId]);
  expect(await listed(OrderPriority.UNSPECIFIED)).toEqual([normal.orderId, rush.orderId]);
  for (const orderId of [rush.orderId, normal.orderId]) {
    await fixture.deliver(StockReservedSchema, { orderId });
    await fixture.deliver(FraudClearedSchema, { orderId });
    await fixture.deliver(PaymentAuthorizedSchema, { orderId });
  }
  const ready = (await fixture.sent()).filter(({ typeName }) => typeName.endsWith("OrderReady"));
  expect(ready.map(({ message }) => message["priority"])).toEqual(["RUSH", "NORMAL"]);
  expect(await refusal(place({ note: "x".repeat(1_001) }))).toMatchObject({ code: Code.InvalidArgument });
});

test("the expected total is compared with all that is paid, and a refusal says what that is", async () => {
  for (const currency of ["EUR", "USD", "GBP", "JPY"]) {
    const expecting = (minorUnits: bigint) =>
      place({ currency, items: [{ sku: "CUP", quantity: 3n }], expectedTotal: { currencyCode: currency, minorUnits } });
    // Three for 700 each, and 500 for sending them.
    expect((await expecting(2_600n)).total).toMatchObject({ currencyCode: currency, minorUnits: 2_600n });
    expect((await refusalError(expecting(2_100n))).message).toContain(`comes to 2600 minor units of ${currency}, not 2100`);
    const refused = await refusalWithMetadata(expecting(2_100n));
    expect(refused).toMatchObject({ reason: "TOTAL_MISMATCH", metadata: { total: "2600", currency } });
  }
});

test("500 lines are one order, whatever their number of SKUs", async () => {
  const items = Array.from({ length: 500 }, (_, index) => ({ sku: index % 2 === 0 ? "MUG" : "CUP", quantity: 1n }));
  around.stock.set("MUG", 250n).set("CUP", 250n);
  const order = await schedule({ items });
  expect(order.items.length).toBe(500);
  await pass(hourMs);
  const [created] = await fixture.sent();
  expect(created?.message["lines"]).toHaveLength(500);
});

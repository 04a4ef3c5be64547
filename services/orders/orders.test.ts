import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, type Client } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { PreconditionFailureSchema } from "#gen/google/rpc/error_details_pb.ts";
import { FraudClearedSchema, FraudRejectedSchema } from "#gen/ordermesh/fraud/events/v1/fraud_events_pb.ts";
import { StockInsufficientSchema, StockReservedSchema } from "#gen/ordermesh/inventory/events/v1/inventory_events_pb.ts";
import { OrderState, type Order } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { OrdersService, type PlaceOrderRequestSchema } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { PaymentAuthorizedSchema } from "#gen/ordermesh/payments/events/v1/payments_events_pb.ts";
import {
  ShipmentCreatedSchema,
  ShipmentDeliveredSchema,
  ShipmentDispatchedSchema,
  ShipmentNumberChangedSchema,
} from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { migrateDown, migrateUp } from "#runtime/database/migrate.ts";
import { refusal, refusalError } from "../../test/support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { orders } from "./main.ts";
import { neighbours, type Neighbours } from "./neighbours.fixture.ts";
import type { OrdersTables } from "./store/tables.ts";

let fixture: ServiceFixture<OrdersTables>;
let around: Neighbours;
let client: Client<typeof OrdersService>;

beforeEach(async () => {
  around = neighbours();
  fixture = await serviceFixture(orders, { others: around.routes });
  client = fixture.client(OrdersService);
});

afterEach(() => fixture.close());

type Basket = Omit<MessageInitShape<typeof PlaceOrderRequestSchema>, "$typeName" | "$unknown">;

const basket: Basket = {
  customerId: "ada",
  currency: "EUR",
  paymentToken: "tok_success",
  items: [{ sku: "MUG", quantity: 2n }],
};

async function place(change: Basket = {}): Promise<Order> {
  const { order } = await client.placeOrder({ ...basket, ...change });
  if (!order) throw new Error("no order in the answer");
  return order;
}

const read = async (orderId: string): Promise<Order> => {
  const { order } = await client.getOrder({ orderId });
  if (!order) throw new Error("no order in the answer");
  return order;
};

const orderCount = async (): Promise<number> => (await client.listOrders({})).orders.length;
const sentTypes = async (): Promise<string[]> =>
  (await fixture.sent()).map((event) => event.typeName.split(".").slice(-2).join("."));

/** Brings an order to the given point by the facts that lead there. */
async function bring(orderId: string, to: "payment_due" | "ready" | "shipped" | "delivered"): Promise<void> {
  await fixture.deliver(StockReservedSchema, { orderId });
  await fixture.deliver(FraudClearedSchema, { orderId });
  if (to === "payment_due") return;
  await fixture.deliver(PaymentAuthorizedSchema, { orderId });
  if (to === "ready") return;
  await fixture.deliver(ShipmentCreatedSchema, { orderId });
  await fixture.deliver(ShipmentNumberChangedSchema, { orderId, trackingNumber: "TRACK-1" });
  await fixture.deliver(ShipmentDispatchedSchema, { orderId });
  if (to === "delivered") await fixture.deliver(ShipmentDeliveredSchema, { orderId });
}

test("a placed order is PENDING, costs what it must and tells the others", async () => {
  const order = await place({
    items: [
      { sku: "MUG", quantity: 2n },
      { sku: "TEA", quantity: 1n },
    ],
  });
  expect(order.orderId).toMatch(/^ord_/);
  expect(order).toMatchObject({
    state: OrderState.PENDING,
    subtotal: { currencyCode: "EUR", minorUnits: 2999n },
    shippingCost: { minorUnits: 500n },
    total: { minorUnits: 3499n },
    items: [{ sku: "MUG", title: "The MUG", lineTotal: { minorUnits: 2500n } }, { sku: "TEA" }],
    timeline: [{ sequence: 1n, state: OrderState.PENDING }],
  });
  expect(await fixture.sent()).toMatchObject([
    { typeName: "ordermesh.orders.events.v2.OrderCreated", key: order.orderId, sequence: 1 },
  ]);
});

test.each([
  {
    name: "an unknown SKU",
    change: { items: [{ sku: "NOPE", quantity: 1n }] },
    code: Code.NotFound,
    reason: "PRODUCT_NOT_FOUND",
  },
  {
    name: "a currency it is not sold in",
    change: { currency: "JPY" },
    code: Code.FailedPrecondition,
    reason: "CURRENCY_NOT_SOLD",
  },
  {
    name: "another total than expected",
    change: { expectedTotal: { currencyCode: "EUR", minorUnits: 1n } },
    code: Code.FailedPrecondition,
    reason: "TOTAL_MISMATCH",
  },
  {
    name: "an expected total in another currency",
    change: { expectedTotal: { currencyCode: "USD", minorUnits: 3000n } },
    code: Code.InvalidArgument,
    reason: "CURRENCY_MISMATCH",
  },
  { name: "short stock", change: { items: [{ sku: "TEA", quantity: 3n }] }, code: Code.Aborted, reason: "STOCK_UNAVAILABLE" },
  {
    name: "no quantity",
    change: { items: [{ sku: "TEA", quantity: 0n }] },
    code: Code.InvalidArgument,
    reason: "INVALID_ARGUMENT",
  },
])("$name is refused with its reason and leaves no order", async ({ change, code, reason }) => {
  expect(await refusal(place(change))).toMatchObject({ code, reason });
  expect(await orderCount()).toBe(0);
  expect(await fixture.sent()).toEqual([]);
});

test("short stock names each SKU with what was asked and what there is, the demand summed", async () => {
  around.stock.set("MUG", 1n);
  const items = [
    { sku: "MUG", quantity: 1n },
    { sku: "MUG", quantity: 1n },
    { sku: "TEA", quantity: 5n },
  ];
  const error = await refusalError(place({ items }));
  expect(error.findDetails(PreconditionFailureSchema)[0]?.violations).toMatchObject([
    { subject: "MUG", description: "2 asked, 1 available" },
    { subject: "TEA", description: "5 asked, 2 available" },
  ]);
});

test("100 repeats of one request at once make one order and get the same answer", async () => {
  const answers = await Promise.all(Array.from({ length: 100 }, () => place({ requestId: "once" })));
  expect(new Set(answers.map((order) => order.orderId)).size).toBe(1);
  for (const answer of answers) expect(answer).toEqual(answers[0]);
  expect(await orderCount()).toBe(1);
  expect((await fixture.sent()).length).toBe(1);
});

test("repeats take nothing from the new orders that are placed in the same moment", async () => {
  const first = await place({ requestId: "old" });
  const answers = await Promise.all([
    ...Array.from({ length: 10 }, (_, index) => place({ requestId: `new-${index}` })),
    ...Array.from({ length: 10 }, () => place({ requestId: "old" })),
    ...Array.from({ length: 10 }, () => place()),
  ]);
  expect(answers.slice(10, 20)).toEqual(Array.from({ length: 10 }, () => first));
  expect(new Set(answers.map((order) => order.orderId)).size).toBe(21);
  expect(await orderCount()).toBe(21);
  expect((await fixture.sent()).length).toBe(21);
});

test("a repeat gets the first answer even when the order has moved on and the stock is gone", async () => {
  const first = await place({ requestId: "once" });
  await fixture.deliver(StockInsufficientSchema, { orderId: first.orderId });
  around.stock.set("MUG", 0n);
  expect(await place({ requestId: "once" })).toEqual(first);
});

test("a request id with other content is refused, also when both come at once", async () => {
  const other = { items: [{ sku: "MUG", quantity: 3n }] };
  await place({ requestId: "once" });
  expect(await refusal(place({ requestId: "once", ...other }))).toMatchObject({
    code: Code.AlreadyExists,
    reason: "REQUEST_ID_REUSED",
  });
  const both = await Promise.allSettled([place({ requestId: "two" }), place({ requestId: "two", ...other })]);
  expect(both.map((result) => result.status).toSorted()).toEqual(["fulfilled", "rejected"]);
  expect(await orderCount()).toBe(2);
});

test("a request id is its customer's: another's order under the same is one of its own, also at once", async () => {
  const [ada, eve] = [await place({ requestId: "once" }), await place({ requestId: "once", customerId: "eve" })];
  expect(eve.orderId).not.toBe(ada.orderId);
  await Promise.all(["ada", "eve", "bob", "ada"].map((customerId) => place({ requestId: "two", customerId })));
  expect(await orderCount()).toBe(2 + 3);
});

test("300 orders at once are all placed, each with its own event and deadline", async () => {
  around.stock.set("MUG", 1_000n);
  await Promise.all(Array.from({ length: 300 }, (_, index) => place({ customerId: `c${index}` })));
  const due = await sql<{ count: number }>`select count(*)::int as count from due_work`.execute(fixture.runtime.db);
  expect(due.rows[0]?.count).toBe(300);
  expect(new Set((await fixture.sent()).map((event) => event.key)).size).toBe(300);
});

test("the facts of the good way lead to DELIVERED, each step told once and in sequence", async () => {
  const { orderId } = await place();
  await bring(orderId, "delivered");
  const order = await read(orderId);
  expect(order.timeline.map((entry) => entry.state)).toEqual([
    OrderState.PENDING,
    OrderState.PENDING_SHIPMENT,
    OrderState.SHIPPED,
    OrderState.DELIVERED,
  ]);
  expect(order.trackingNumber).toBe("TRACK-1");
  expect(await sentTypes()).toEqual([
    "v2.OrderCreated",
    "v1.OrderPaymentDue",
    "v1.OrderReady",
    "v1.OrderShipped",
    "v1.OrderDelivered",
  ]);
  expect((await fixture.sent()).map((event) => event.sequence)).toEqual([1, 2, 3, 4, 5]);
});

test("an order that is not ready in time is cancelled once", async () => {
  const { orderId, expireTime } = await place();
  await bring(orderId, "payment_due");
  const after = new Date(Number(expireTime?.seconds ?? 0n) * 1_000 + 2_000);
  expect(await fixture.runDue(after)).toBe(1);
  expect(await read(orderId)).toMatchObject({ state: OrderState.CANCELLED, cancelReason: "EXPIRED" });
  expect(await fixture.runDue(after)).toBe(0);
  await fixture.deliver(PaymentAuthorizedSchema, { orderId });
  expect(await read(orderId)).toMatchObject({ state: OrderState.CANCELLED, cancelReason: "EXPIRED" });
  expect((await sentTypes()).filter((type) => type === "v1.OrderCancelled").length).toBe(1);
});

test("a ready order has no deadline any more", async () => {
  const { orderId, expireTime } = await place();
  await bring(orderId, "ready");
  expect(await fixture.runDue(new Date(Number(expireTime?.seconds ?? 0n) * 1_000 + 2_000))).toBe(0);
  expect((await read(orderId)).state).toBe(OrderState.PENDING_SHIPMENT);
});

test.each([
  { to: "payment_due", stops: 0 },
  { to: "ready", stops: 1 },
] as const)("an order that is $to can be cancelled, and again", async ({ to, stops }) => {
  const { orderId } = await place();
  await bring(orderId, to);
  const first = await client.cancelOrder({ orderId, reason: "changed my mind" });
  expect(first.order).toMatchObject({
    state: OrderState.CANCELLED,
    cancelReason: "CANCELLED_BY_REQUEST",
    cancelDetail: "changed my mind",
  });
  expect(await client.cancelOrder({ orderId })).toEqual(first);
  expect(around.stopped.length).toBe(stops);
  expect((await sentTypes()).filter((type) => type === "v1.OrderCancelled").length).toBe(1);
});

test("20 cancellations at once have one effect", async () => {
  const { orderId } = await place();
  await bring(orderId, "ready");
  await Promise.all(Array.from({ length: 20 }, () => client.cancelOrder({ orderId })));
  expect((await sentTypes()).filter((type) => type === "v1.OrderCancelled").length).toBe(1);
});

test("an order whose parcel leaves at this moment cannot be cancelled", async () => {
  const { orderId } = await place();
  await bring(orderId, "ready");
  around.dispatched.add(orderId);
  expect(await refusal(client.cancelOrder({ orderId }))).toMatchObject({
    code: Code.FailedPrecondition,
    reason: "ORDER_ALREADY_DISPATCHED",
  });
  expect((await read(orderId)).state).toBe(OrderState.PENDING_SHIPMENT);
});

test("a shipped order cannot be cancelled", async () => {
  const { orderId } = await place();
  await bring(orderId, "shipped");
  expect(await refusal(client.cancelOrder({ orderId }))).toMatchObject({ reason: "ORDER_ALREADY_DISPATCHED" });
});

test("a fact about an order that nobody placed is refused, not swallowed", async () => {
  await expect(fixture.deliver(StockReservedSchema, { orderId: "ord_unknown" })).rejects.toMatchObject({ code: "ORDER_UNKNOWN" });
});

test("facts about many orders are taken in at once", async () => {
  const placed = await Promise.all(Array.from({ length: 50 }, () => place()));
  await fixture.deliver(StockReservedSchema, ...placed.map(({ orderId }) => ({ orderId })));
  await fixture.deliver(FraudClearedSchema, ...placed.slice(0, 25).map(({ orderId }) => ({ orderId })));
  await fixture.deliver(FraudRejectedSchema, ...placed.slice(25).map(({ orderId }) => ({ orderId })));
  const types = await sentTypes();
  expect(types.filter((type) => type === "v1.OrderPaymentDue").length).toBe(25);
  expect(types.filter((type) => type === "v1.OrderCancelled").length).toBe(25);
});

test("orders are listed by customer and state, newest first, page by page", async () => {
  const placed: string[] = [];
  for (let index = 0; index < 5; index += 1) placed.push((await place({ customerId: index % 2 === 0 ? "ada" : "bob" })).orderId);
  await bring(placed[0] ?? "", "ready");
  const first = await client.listOrders({ customerId: "ada", pageSize: 2 });
  const second = await client.listOrders({ customerId: "ada", pageSize: 2, pageToken: first.nextPageToken });
  expect([...first.orders, ...second.orders].map((order) => order.orderId)).toEqual([placed[4], placed[2], placed[0]]);
  expect(second.nextPageToken).toBe("");
  const ready = await client.listOrders({ state: OrderState.PENDING_SHIPMENT });
  expect(ready.orders.map((order) => order.orderId)).toEqual([placed[0]]);
  expect(await refusal(client.listOrders({ pageToken: "!" }))).toMatchObject({
    code: Code.InvalidArgument,
    reason: "PAGE_TOKEN_INVALID",
  });
});

test("an order is not found by another customer's name, nor by an unknown id", async () => {
  const { orderId } = await place();
  expect((await client.getOrder({ orderId, customerId: "ada" })).order?.orderId).toBe(orderId);
  expect(await refusal(client.getOrder({ orderId, customerId: "eve" }))).toMatchObject({
    code: Code.NotFound,
    reason: "ORDER_NOT_FOUND",
  });
  expect(await refusal(client.getOrder({ orderId: "ord_x" }))).toMatchObject({ code: Code.NotFound, reason: "ORDER_NOT_FOUND" });
});

test("a watch tells every state once and in order, goes on after a given one, and ends with the last", async () => {
  const { orderId } = await place();
  await bring(orderId, "delivered");
  const seen = async (afterSequence: bigint): Promise<bigint[]> => {
    const sequences: bigint[] = [];
    for await (const { sequence } of client.watchOrder({ orderId, afterSequence })) sequences.push(sequence);
    return sequences;
  };
  expect(await seen(0n)).toEqual([1n, 2n, 3n, 4n]);
  expect(await seen(2n)).toEqual([3n, 4n]);
});

test("the schema can be taken back and made again", async () => {
  const schema = { schema: orders.name, folder: orders.migrations };
  await migrateDown(fixture.runtime.db, schema);
  const left = await sql<{ name: string }>`select tablename as name from pg_tables where schemaname = 'orders'`.execute(
    fixture.runtime.db,
  );
  expect(left.rows.map((row) => row.name).toSorted()).toEqual(["migration", "migration_lock"]);
  await migrateUp(fixture.runtime.db, schema);
  await place();
});

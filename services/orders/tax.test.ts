// Tax is asked for beside prices, frozen on the order, told to the others, and part of what the buyer pays.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, type Client } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FraudClearedSchema } from "#gen/ordermesh/fraud/events/v1/fraud_events_pb.ts";
import { StockReservedSchema } from "#gen/ordermesh/inventory/events/v1/inventory_events_pb.ts";
import { OrderChangesService, type OrderChangeWishSchema } from "#gen/ordermesh/orders/v1/changes_service_pb.ts";
import { OrdersAuditService } from "#gen/ordermesh/orders/v1/orders_audit_pb.ts";
import type { Order } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { OrdersService, type PlaceOrderRequestSchema } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { refusal } from "../../test/support/refusal.ts";
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

const german = { countryCode: "DE", region: "", taxClass: "STANDARD", rate: 1_900, pricesInclude: false, name: "VAT" };
const euros = (minorUnits: number) => ({ currencyCode: "EUR", minorUnits: BigInt(minorUnits) });
const basket = {
  customerId: "ada",
  currency: "EUR",
  paymentToken: "tok_success",
  items: [
    { sku: "MUG", quantity: 2n },
    { sku: "TEA", quantity: 1n },
  ],
};
const toFrance = { shippingAddress: { recipient: "Ada", lines: ["1 Rue"], city: "Paris", countryCode: "FR" } };

type Basket = Omit<MessageInitShape<typeof PlaceOrderRequestSchema>, "$typeName" | "$unknown">;

async function place(change: Basket = {}): Promise<Order> {
  const { order } = await client.placeOrder({ ...basket, ...change });
  if (!order) throw new Error("no order in the answer");
  return order;
}

const createdOf = async (orderId: string) =>
  (await fixture.sent()).find(({ key, typeName }) => key === orderId && typeName.endsWith("OrderCreated"))?.message;

test("tax on top is part of the total, of what is asked for, and of what is told; each line has its own", async () => {
  around.taxClasses.set("TEA", "REDUCED");
  around.taxRates.push(german, { ...german, taxClass: "REDUCED", rate: 700 });
  // Nobody says where it goes: it is the shop's own country.
  const order = await place({ expectedTotal: euros(3_499 + 475 + 35 + 95) });
  expect(order).toMatchObject({
    items: [
      { sku: "MUG", tax: { amount: euros(475), rate: 1_900, name: "VAT", isIncluded: false } },
      { sku: "TEA", tax: { amount: euros(35), rate: 700 } },
    ],
    subtotal: euros(2_999),
    shippingCost: euros(500),
    shippingTax: { amount: euros(95), rate: 1_900 },
    tax: euros(605),
    taxAdded: euros(605),
    total: euros(4_104),
  });
  expect((await client.getOrder({ orderId: order.orderId })).order).toEqual(order);
  expect(await createdOf(order.orderId)).toMatchObject({
    tax: euros(605),
    taxAdded: euros(605),
    total: euros(4_104),
    lines: [{ tax: euros(475) }, { tax: euros(35) }],
  });
  await fixture.deliver(StockReservedSchema, { orderId: order.orderId });
  await fixture.deliver(FraudClearedSchema, { orderId: order.orderId });
  const due = (await fixture.sent()).find(({ typeName }) => typeName.endsWith("OrderPaymentDue"));
  expect(due?.message).toMatchObject({ amount: euros(4_104) });
});

test("tax that prices contain is told and adds nothing", async () => {
  around.taxRates.push({ ...german, countryCode: "FR", rate: 2_000, pricesInclude: true, name: "TVA" });
  const order = await place(toFrance);
  expect(order).toMatchObject({
    items: [{ tax: { amount: euros(417), isIncluded: true } }, { tax: { amount: euros(83) } }],
    shippingTax: { amount: euros(83), name: "TVA" },
    tax: euros(583),
    taxAdded: euros(0),
    total: euros(3_499),
  });
});

test("where nothing is taxed nothing is told, and the shop's rates are asked for once, also by many at once", async () => {
  const placed = await Promise.all(Array.from({ length: 5 }, () => place({ items: [{ sku: "MUG", quantity: 1n }] })));
  for (const order of placed) {
    expect(order).toMatchObject({ total: euros(1_750), subtotal: euros(1_250) });
    expect([order.tax, order.taxAdded, order.shippingTax, order.items[0]?.tax]).toEqual(Array.from({ length: 4 }));
  }
  const created = await createdOf(placed[0]?.orderId ?? "");
  expect([created?.["tax"], created?.["taxAdded"]]).toEqual([undefined, undefined]);
  await place(toFrance);
  expect(around.taxQuestions).toBe(1);
});

test("a total that leaves the tax out is not the one that was expected", async () => {
  around.taxRates.push(german);
  expect(await refusal(place({ expectedTotal: euros(3_499) }))).toMatchObject({ reason: "TOTAL_MISMATCH" });
});

test("while the rates cannot be had nothing is sold, and afterwards it is", async () => {
  around.taxFault = refuse(Code.Unavailable, "AWAY", "catalog is away");
  await expect(place()).rejects.toThrow(/away/);
  around.taxFault = undefined;
  around.taxRates.push(german);
  expect((await place()).tax).toEqual(expect.objectContaining(euros(665)));
});

test("an order that begins later tells the tax with which it was placed", async () => {
  around.taxRates.push(german);
  const { orderId, tax } = await place({ processAfter: timestampFromMs(Date.now() + 60_000) });
  around.taxRates.length = 0;
  await fixture.runDue(new Date(Date.now() + 120_000));
  expect(await createdOf(orderId)).toMatchObject({ tax, lines: [{ tax: euros(475) }, { tax: euros(95) }] });
});

test("a change computes the tax anew, by line, and what is previewed is what the order then is", async () => {
  around.taxClasses.set("CUP", "REDUCED");
  around.taxRates.push(
    german,
    { ...german, taxClass: "REDUCED", rate: 700 },
    { ...german, countryCode: "FR", pricesInclude: true },
  );
  const { orderId } = await place({ processAfter: timestampFromMs(Date.now() + 60_000) });
  const changes = fixture.client(OrderChangesService);
  const changeTo = async (wish: MessageInitShape<typeof OrderChangeWishSchema>, requestId: string) => {
    const { token, after, refusals } = await changes.previewOrderChange({ orderId, wish });
    expect(refusals).toEqual([]);
    await changes.confirmOrderChange({ orderId, wish, token, requestId });
    const { order } = await client.getOrder({ orderId });
    expect(order).toMatchObject({
      total: after?.total,
      tax: after?.tax,
      taxAdded: after?.taxAdded,
      shippingTax: after?.shippingTax,
    });
    expect((await fixture.client(OrdersAuditService).auditOrders({ pageSize: 10 })).discrepancies).toEqual([]);
    return order;
  };
  const lines = [
    { sku: "MUG", quantity: 1n },
    { sku: "CUP", quantity: 1n },
  ];
  const changed = await changeTo({ lines }, "change-1");
  expect(changed?.items.map(({ sku, tax }) => [sku, tax?.amount?.minorUnits])).toEqual([
    ["MUG", 238n],
    ["TEA", 95n],
    ["CUP", 49n],
  ]);
  expect(changed?.total).toMatchObject(euros(2_449 + 500 + 238 + 95 + 49 + 95));
  const moved = await changeTo(toFrance, "change-2");
  expect(moved).toMatchObject({ taxAdded: euros(0), tax: euros(200 + 80 + 112 + 80), total: euros(2_949) });
});

test("the audit finds tax that was changed, is gone, or is said to be in the price", async () => {
  around.taxRates.push(german);
  const changes = [
    (orderId: string) => sql`update order_item set tax = tax || '{"amount": 1}' where order_id = ${orderId} and position = 0`,
    (orderId: string) => sql`update orders set shipping_tax = null where order_id = ${orderId}`,
    (orderId: string) => sql`update order_item set tax = tax || '{"isIncluded": true}' where order_id = ${orderId}`,
  ];
  const placed = await Promise.all(changes.map(async (change) => ({ change, orderId: (await place()).orderId })));
  const audit = async () => (await fixture.client(OrdersAuditService).auditOrders({ pageSize: 10 })).discrepancies;
  expect(await audit()).toEqual([]);
  for (const { change, orderId } of placed) await change(orderId).execute(fixture.runtime.db);
  const found = (await audit()).map(({ check, key }) => `${check} ${key}`);
  expect(found.toSorted()).toEqual(placed.map(({ orderId }) => `orders.total ${orderId}`).toSorted());
});

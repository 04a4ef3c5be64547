// An order that is ready and loses its stock or its money: its parcel is stopped before it is cancelled, and what has left is shipped.
import { Code, ConnectError, type Client } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FraudClearedSchema } from "#gen/ordermesh/fraud/events/v1/fraud_events_pb.ts";
import {
  StockInsufficientSchema,
  StockReleasedSchema,
  StockReservedSchema,
} from "#gen/ordermesh/inventory/events/v1/inventory_events_pb.ts";
import { OrderState, type Order } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { PaymentAuthorizedSchema, PaymentVoidedSchema } from "#gen/ordermesh/payments/events/v1/payments_events_pb.ts";
import {
  ShipmentCreatedSchema,
  ShipmentDeliveredSchema,
  ShipmentDispatchedSchema,
  ShipmentStoppedSchema,
} from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { orders } from "./main.ts";
import { neighbours, type Neighbours } from "./neighbours.fixture.ts";
import type { OrdersTables } from "./store/tables.ts";

let fixture: ServiceFixture<OrdersTables>;
let around: Neighbours;
let client: Client<typeof OrdersService>;
beforeAll(async () => {
  around = neighbours();
  fixture = await serviceFixture(orders, { others: around.routes });
  client = fixture.client(OrdersService);
});
afterAll(() => fixture.close());

const read = async (orderId: string): Promise<Order> => {
  const { order } = await client.getOrder({ orderId });
  if (!order) throw new Error("no order in the answer");
  return order;
};

async function ready(): Promise<string> {
  const items = [{ sku: "MUG", quantity: 1n }];
  const { order } = await client.placeOrder({ customerId: "ada", currency: "EUR", paymentToken: "tok_success", items });
  const orderId = order?.orderId ?? "";
  await fixture.deliver(StockReservedSchema, { orderId });
  await fixture.deliver(FraudClearedSchema, { orderId });
  await fixture.deliver(PaymentAuthorizedSchema, { orderId });
  await fixture.deliver(ShipmentCreatedSchema, { orderId, trackingNumber: "TRACK-1" });
  return orderId;
}

const runDue = () => fixture.runDue(new Date(Date.now() + 1_000));
const stopsOf = (orderId: string): string[] =>
  around.stopped.filter((stopped) => stopped.orderId === orderId).map(({ reason }) => reason);
const toldOf = async (orderId: string): Promise<string[]> =>
  (await fixture.sent()).filter(({ key }) => key === orderId).map(({ typeName }) => typeName.split(".").at(-1) ?? "");

const losses = [
  { desc: StockReleasedSchema, reason: "STOCK_LOST", words: "its stock was given back" },
  { desc: StockInsufficientSchema, reason: "OUT_OF_STOCK", words: "its stock was short" },
  { desc: PaymentVoidedSchema, reason: "PAYMENT_LOST", words: "its money was given back" },
] as const;

test.each(losses)(
  "$reason: the parcel is stopped first, and by that the order is cancelled, once",
  async ({ desc, reason, words }) => {
    const orderId = await ready();
    await fixture.deliver(desc, { orderId });
    expect((await read(orderId)).state).toBe(OrderState.PENDING_SHIPMENT);
    expect(await runDue()).toBe(1);
    expect(await runDue()).toBe(0);
    const asked = `${reason}: ${words}`;
    expect(stopsOf(orderId)).toEqual([asked]);
    for (let times = 0; times < 2; times += 1) await fixture.deliver(ShipmentStoppedSchema, { orderId, reason: asked });
    expect(await read(orderId)).toMatchObject({ state: OrderState.CANCELLED, cancelReason: reason, cancelDetail: asked });
    expect(await toldOf(orderId)).toEqual(["OrderCreated", "OrderPaymentDue", "OrderReady", "OrderCancelled"]);
  },
);

test.each([
  { first: StockReleasedSchema, second: ShipmentDispatchedSchema },
  { first: ShipmentDispatchedSchema, second: StockReleasedSchema },
])("a parcel that has left without its stock is shipped, $first.name first", async ({ first, second }) => {
  const orderId = await ready();
  around.dispatched.add(orderId);
  await fixture.deliver(first, { orderId });
  await runDue();
  await fixture.deliver(second, { orderId });
  await runDue();
  expect((await read(orderId)).state).toBe(OrderState.SHIPPED);
  for (const desc of [first, second]) await fixture.deliver(desc, { orderId });
  await fixture.deliver(ShipmentDeliveredSchema, { orderId });
  expect(stopsOf(orderId)).toEqual([]);
  expect(await toldOf(orderId)).toEqual(["OrderCreated", "OrderPaymentDue", "OrderReady", "OrderShipped", "OrderDelivered"]);
});

test.each([
  { first: PaymentVoidedSchema, second: ShipmentDispatchedSchema },
  { first: ShipmentDispatchedSchema, second: PaymentVoidedSchema },
])("one that has left without its money is for a person, $first.name first", async ({ first, second }) => {
  const orderId = await ready();
  around.dispatched.add(orderId);
  await fixture.deliver(first, { orderId });
  await runDue();
  await expect(fixture.deliver(second, { orderId })).rejects.toMatchObject({ code: "REFUSED_AFTER_DISPATCH" });
});

test("shipping is asked until it answers; stock that has come back meanwhile stops nothing", async () => {
  const [away, back] = [await ready(), await ready()];
  await fixture.deliver(StockReleasedSchema, { orderId: away });
  around.stopFault = new ConnectError("away", Code.Unavailable);
  await expect(runDue()).rejects.toThrow("away");
  around.stopFault = undefined;
  await fixture.deliver(StockReleasedSchema, { orderId: back });
  await fixture.deliver(StockReservedSchema, { orderId: back });
  expect(await runDue()).toBe(2);
  expect([stopsOf(away).length, stopsOf(back).length]).toEqual([1, 0]);
  await fixture.deliver(ShipmentDispatchedSchema, { orderId: back });
  expect((await read(back)).state).toBe(OrderState.SHIPPED);
});

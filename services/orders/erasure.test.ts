// An erased customer is taken out of its orders, of each as soon as it is final.
import { setTimeout } from "node:timers/promises";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Client } from "@connectrpc/connect";
import { sql, type Transaction } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { CustomerErasedSchema } from "#gen/ordermesh/customers/events/v1/customers_events_pb.ts";
import { FraudClearedSchema } from "#gen/ordermesh/fraud/events/v1/fraud_events_pb.ts";
import { StockReservedSchema } from "#gen/ordermesh/inventory/events/v1/inventory_events_pb.ts";
import { OrderChangesService } from "#gen/ordermesh/orders/v1/changes_service_pb.ts";
import { OrderState } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { ReturnsService } from "#gen/ordermesh/orders/v1/returns_service_pb.ts";
import { PaymentAuthorizedSchema, PaymentRefundedSchema } from "#gen/ordermesh/payments/events/v1/payments_events_pb.ts";
import { ShipmentDeliveredSchema, ShipmentDispatchedSchema } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { refusal } from "../../test/support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { orders } from "./main.ts";
import { neighbours } from "./neighbours.fixture.ts";
import { findErased, rememberErased } from "./store/erasures.ts";
import type { OrdersTables } from "./store/tables.ts";

let fixture: ServiceFixture<OrdersTables>;
let client: Client<typeof OrdersService>;

beforeEach(async () => {
  fixture = await serviceFixture(orders, { others: neighbours().routes });
  client = fixture.client(OrdersService);
});
afterEach(() => fixture.close());

const shippingAddress = { recipient: "Ada", lines: ["1 Main St"], city: "Paris", postalCode: "75001", countryCode: "FR" };
const basket = { customerId: "ada", currency: "EUR", paymentToken: "tok_success", items: [{ sku: "MUG", quantity: 1n }] };

async function place(change: object = {}): Promise<string> {
  const { order } = await client.placeOrder({ ...basket, shippingAddress, note: "for Ada", ...change });
  return order?.orderId ?? "";
}

async function ship(orderId: string): Promise<void> {
  await fixture.deliver(StockReservedSchema, { orderId });
  await fixture.deliver(FraudClearedSchema, { orderId });
  await fixture.deliver(PaymentAuthorizedSchema, { orderId });
  await fixture.deliver(ShipmentDispatchedSchema, { orderId });
}
const deliver = (orderId: string) => fixture.deliver(ShipmentDeliveredSchema, { orderId });
const cancel = (orderId: string) => client.cancelOrder({ orderId, reason: "because I, Ada, have moved" });

/** With what the work plans for a moment later. */
const runDue = () => fixture.runDue(new Date(Date.now() + 1_000));

async function erase(customerId = "ada"): Promise<void> {
  await fixture.deliver(CustomerErasedSchema, { customerId });
  await runDue();
}

interface Kept {
  erased: boolean;
  text: string;
}

async function kept(orderId: string): Promise<Kept> {
  const { rows } = await sql<Kept>`
    select erase_time is not null as erased, orders::text as text from orders where order_id = ${orderId}`.execute(
    fixture.runtime.db,
  );
  return rows[0]!;
}

const told = async (orderId: string) =>
  (await fixture.sent())
    .filter(({ key }) => key === orderId)
    .map(({ sequence, typeName }) => `${sequence} ${typeName.split(".").at(-1)}`);

test("orders that are final lose the person, those under way when they become so, and others not at all", async () => {
  const [delivered, cancelled, shipped, pending] = [await place(), await place(), await place(), await place()];
  const others = await place({ customerId: "bob" });
  await ship(delivered);
  await deliver(delivered);
  await cancel(cancelled);
  await ship(shipped);
  await erase();
  for (const orderId of [delivered, cancelled]) {
    const { erased, text } = await kept(orderId);
    expect(erased).toBe(true);
    expect(text).not.toMatch(/Main St|tok_success|moved/);
  }
  expect((await kept(shipped)).text).toContain("Main St");
  await deliver(shipped);
  await cancel(pending);
  await cancel(others);
  for (const orderId of [shipped, pending]) expect((await kept(orderId)).erased).toBe(true);
  expect((await kept(others)).erased).toBe(false);
  expect((await told(shipped)).slice(-2)).toEqual(["5 OrderDelivered", "6 OrderErased"]);
  expect(await told(cancelled)).toEqual(["1 OrderCreated", "2 OrderCancelled", "3 OrderErased"]);
  expect(await told(pending)).toEqual(["1 OrderCreated", "2 OrderCancelled", "3 OrderErased"]);
  expect(await told(others)).toEqual(["1 OrderCreated", "2 OrderCancelled"]);
  const { order } = await client.getOrder({ orderId: delivered });
  expect(order).toMatchObject({ state: OrderState.DELIVERED, customerId: "ada", total: { minorUnits: 1750n } });
  expect(order?.timeline).toHaveLength(4);
});

test("what was said about changes and returns goes with the person, and what is said later is not kept", async () => {
  const changes = fixture.client(OrderChangesService);
  const scheduled = await place({ processAfter: timestampFromDate(new Date(Date.now() + 3_600_000)) });
  const wish = { shippingAddress: { ...shippingAddress, lines: ["2 Main St"] } };
  const { token } = await changes.previewOrderChange({ orderId: scheduled, wish });
  await changes.confirmOrderChange({ orderId: scheduled, wish, token, requestId: "c1", words: "I, Ada, have moved" });
  await cancel(scheduled);
  const delivered = await place();
  await ship(delivered);
  await deliver(delivered);
  const returns = fixture.client(ReturnsService);
  const request = { orderId: delivered, lines: basket.items, requestId: "r1", words: "Ada does not like it" };
  const returnId = (await returns.requestReturn(request)).return?.returnId ?? "";
  await erase();
  await returns.approveReturn({ orderId: delivered, returnId, words: "send it, Ada" });
  const { rows } = await sql<{ text: string }>`
    select order_change::text as text from order_change union all select order_return::text from order_return`.execute(
    fixture.runtime.db,
  );
  expect(rows).toHaveLength(2);
  for (const { text } of rows) expect(text).not.toMatch(/Main St|Ada/);
});

test("it is told once, however often the erasure is heard; an order that comes late is erased with its end", async () => {
  const orderId = await place();
  await cancel(orderId);
  await erase();
  await erase();
  expect((await told(orderId)).filter((line) => line.endsWith("OrderErased"))).toHaveLength(1);
  const late = await place();
  await cancel(late);
  expect((await kept(late)).erased).toBe(true);
});

test("facts that come afterwards are taken, and bring nothing back", async () => {
  const orderId = await place();
  await ship(orderId);
  await deliver(orderId);
  await erase();
  await fixture.deliver(PaymentRefundedSchema, { orderId });
  expect((await client.getOrder({ orderId })).order?.services?.payment).toBe(6);
  expect((await kept(orderId)).text).not.toMatch(/Main St|tok_success/);
});

test("a request that is repeated after the erasure is refused: what it asked for is not known any more", async () => {
  const request = { requestId: "once" };
  await cancel(await place(request));
  await erase();
  expect(await refusal(place(request))).toMatchObject({ reason: "REQUEST_ID_REUSED" });
});

/** Runs work in a transaction that stays open until it is let go. */
async function holding(work: (tx: Transaction<OrdersTables>) => Promise<unknown>): Promise<() => Promise<void>> {
  const [begun, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const transaction = fixture.runtime.system.transaction(async (tx) => {
    await work(tx);
    begun.resolve();
    await end.promise;
  });
  await begun.promise;
  return async () => {
    end.resolve();
    await transaction;
  };
}

const outcomeOf = (work: Promise<unknown>): Promise<string> =>
  Promise.race([work.then(() => "done"), setTimeout(300).then(() => "waits")]);

const customers = [{ tenant: "demo", customerId: "ada" }];

test("an order that becomes final while its customer is being remembered as erased waits for that, and is erased", async () => {
  const orderId = await place();
  const letGo = await holding((tx) => rememberErased(tx, customers, new Date()));
  const cancelling = cancel(orderId);
  expect(await outcomeOf(cancelling)).toBe("waits");
  await letGo();
  await cancelling;
  expect((await kept(orderId)).erased).toBe(true);
});

test("an erasure waits for whoever is making an order final and has not seen it, and finds the order", async () => {
  const orderId = await place();
  const letGo = await holding(async (tx) => {
    expect(await findErased(tx, customers)).toEqual(new Set());
    await sql`
      update orders set state = 'cancelled', cancel_reason = 'EXPIRED', events_sent = 2 where order_id = ${orderId}`.execute(tx);
  });
  const erasure = erase();
  expect(await outcomeOf(erasure)).toBe("waits");
  await letGo();
  await erasure;
  expect((await kept(orderId)).erased).toBe(true);
});

// The changes of all orders, told once and in order to everyone who follows them.
import type { Client } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { FraudClearedSchema, FraudRejectedSchema } from "#gen/ordermesh/fraud/events/v1/fraud_events_pb.ts";
import { StockReservedSchema } from "#gen/ordermesh/inventory/events/v1/inventory_events_pb.ts";
import { OrderState } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { OrdersService, type WatchOrdersResponse } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { PaymentAuthorizedSchema } from "#gen/ordermesh/payments/events/v1/payments_events_pb.ts";
import { refusal } from "../../test/support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { until } from "../../test/support/until.ts";
import { orders } from "./main.ts";
import { neighbours } from "./neighbours.fixture.ts";
import type { OrdersTables } from "./store/tables.ts";

let fixture: ServiceFixture<OrdersTables>;
let client: Client<typeof OrdersService>;
const following: AbortController[] = [];

beforeAll(async () => {
  const around = neighbours();
  around.stock.set("MUG", 1_000_000n);
  fixture = await serviceFixture(orders, { others: around.routes, env: { ORDERMESH_WATCHERS_MAX: "20" } });
  client = fixture.client(OrdersService);
});
afterEach(() => {
  for (const each of following.splice(0)) each.abort();
});
afterAll(() => fixture.close());

async function place(customerId = "ada"): Promise<string> {
  const items = [{ sku: "MUG", quantity: 1n }];
  const { order } = await client.placeOrder({ customerId, currency: "EUR", paymentToken: "tok_success", items });
  return order?.orderId ?? "";
}

async function ready(...orderIds: string[]): Promise<void> {
  const about = orderIds.map((orderId) => ({ orderId }));
  await fixture.deliver(StockReservedSchema, ...about);
  await fixture.deliver(FraudClearedSchema, ...about);
  await fixture.deliver(PaymentAuthorizedSchema, ...about);
}

interface Followed {
  seen: WatchOrdersResponse[];
  changes(): string[];
  stop(): void;
}

/** Follows until it is stopped, and at first reads as slowly as it is told. */
async function follow(
  request: { after?: string; state?: OrderState; customerId?: string } = {},
  pause?: Promise<void>,
): Promise<Followed> {
  const ending = new AbortController();
  following.push(ending);
  const seen: WatchOrdersResponse[] = [];
  const begun = Promise.withResolvers<void>();
  void (async () => {
    for await (const response of client.watchOrders(request, { signal: ending.signal })) {
      seen.push(response);
      begun.resolve();
      await pause;
    }
  })().catch(() => {});
  if (request.after === undefined) await begun.promise;
  return {
    seen,
    changes: () => seen.flatMap(({ entry, orderId, sequence }) => (entry ? [`${orderId} ${sequence} ${entry.state}`] : [])),
    stop: () => ending.abort(),
  };
}

const change = (orderId: string, sequence: number, state: OrderState): string => `${orderId} ${sequence} ${state}`;
const pending = (orderId: string) => change(orderId, 1, OrderState.PENDING);
const readied = (orderId: string) => change(orderId, 2, OrderState.PENDING_SHIPMENT);

test("each change comes once, in order, with the order; those of another customer, state or shop do not", async () => {
  const all = await follow();
  const ofAda = await follow({ customerId: "ada" });
  const allReady = await follow({ state: OrderState.PENDING_SHIPMENT });
  const other = new AbortController();
  following.push(other);
  const ofOtherShop: string[] = [];
  void (async () => {
    const stream = fixture.clientOf("other", OrdersService).watchOrders({}, { signal: other.signal });
    for await (const { orderId } of stream) ofOtherShop.push(orderId);
  })().catch(() => {});
  const [one, two] = [await place("ada"), await place("bob")];
  await ready(two);
  await until(() => all.changes().length >= 3 && ofAda.changes().length > 0 && allReady.changes().length > 0);
  expect(all.changes()).toEqual([pending(one), pending(two), readied(two)]);
  expect(all.seen[0]).toMatchObject({ orderId: "", sequence: 0n });
  expect(all.seen[0]?.entry).toBeUndefined();
  expect(all.seen.at(-1)?.order).toMatchObject({ orderId: two, customerId: "bob", state: OrderState.PENDING_SHIPMENT });
  expect(ofAda.changes()).toEqual([pending(one)]);
  expect(allReady.changes()).toEqual([readied(two)]);
  expect(ofOtherShop).toEqual([""]);
});

test("from every cursor the rest follows, whole and once", async () => {
  const all = await follow();
  const placed = await Promise.all(Array.from({ length: 30 }, () => place()));
  await ready(...placed);
  await until(() => all.changes().length === 60);
  const places = [0, 1, 29, 30, 31, 59, 60];
  const rests = await Promise.all(places.map((at) => follow({ after: all.seen[at]?.cursor ?? "" })));
  const last = await place();
  await until(() => [all, ...rests].every((followed) => followed.changes().includes(pending(last))));
  expect(rests.map((rest) => rest.changes())).toEqual(places.map((at) => all.changes().slice(at)));
});

test("one who reads slowly gets all of it, and costs no memory meanwhile", async () => {
  const reading = Promise.withResolvers<void>();
  const slow = await follow({}, reading.promise);
  const quick = await follow();
  // More than wait for one who does not read.
  const placed = await Promise.all(Array.from({ length: 200 }, () => place()));
  await until(() => quick.changes().length === 200);
  expect(slow.changes().length).toBeLessThan(10);
  await ready(...placed);
  reading.resolve();
  await until(() => slow.changes().length === 400);
  await until(() => quick.changes().length === 400);
  expect(slow.changes()).toEqual(quick.changes());
});

test("a change waits for those that may come before it, and steps of an order stay in their order", async () => {
  const all = await follow();
  const orderId = await place();
  // Transactions of other tests on the same server are waited for, too.
  await until(() => all.changes().length === 1);
  const { db } = fixture.runtime;
  const early = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  // It has its place among the transactions before the next step is written, and writes the one after that.
  const later = db.transaction().execute(async (tx) => {
    await sql`select pg_current_xact_id()`.execute(tx);
    begun.resolve();
    await early.promise;
    await sql`select from orders where order_id = ${orderId} for update`.execute(tx);
    await sql`
      insert into order_timeline (tenant_id, order_id, sequence, state, time, xid)
      select tenant_id, order_id, 3, 'shipped', now(), greatest(pg_current_xact_id(), max(xid))
      from order_timeline where order_id = ${orderId} group by 1, 2`.execute(tx);
  });
  await begun.promise;
  await ready(orderId);
  const other = await place();
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(all.changes()).toEqual([pending(orderId)]);
  early.resolve();
  await later;
  await until(() => all.changes().length === 4);
  expect(all.changes()).toEqual([pending(orderId), readied(orderId), change(orderId, 3, OrderState.SHIPPED), pending(other)]);
});

test("too many watchers are refused with a reason, and make place as they go", async () => {
  const orderId = await place();
  const watch = (signal: AbortSignal) => client.watchOrder({ orderId }, { signal })[Symbol.asyncIterator]().next();
  const ending = new AbortController();
  following.push(ending);
  await Promise.all(Array.from({ length: 20 }, () => watch(ending.signal)));
  expect(await refusal(watch(ending.signal))).toMatchObject({ code: Code.ResourceExhausted, reason: "WATCHERS_LIMITED" });
  ending.abort();
  await until(async () => (await watch(new AbortController().signal).catch(() => undefined)) !== undefined);
});

test("a cursor from ahead of all changes is refused", async () => {
  const watch = client.watchOrders({ after: "999999999999.1.ord_1" })[Symbol.asyncIterator]().next();
  expect(await refusal(watch)).toMatchObject({ code: Code.OutOfRange, reason: "WATCH_CURSOR_UNKNOWN" });
});

test("watchers of an order see its end and end with it, many at the same time", async () => {
  const orderId = await place();
  const watching = Array.from({ length: 15 }, async () => {
    const states: OrderState[] = [];
    for await (const { entry } of client.watchOrder({ orderId })) states.push(entry?.state ?? OrderState.UNSPECIFIED);
    return states;
  });
  await fixture.deliver(FraudRejectedSchema, { orderId });
  for (const states of await Promise.all(watching)) expect(states).toEqual([OrderState.PENDING, OrderState.CANCELLED]);
});

test("the store puts a step behind the step before it, whoever began first", async () => {
  const orderId = await place();
  await ready(orderId);
  const future = "9000000000";
  await sql`update order_timeline set xid = ${future}::xid8 where order_id = ${orderId} and sequence = 2`.execute(
    fixture.runtime.db,
  );
  await client.cancelOrder({ orderId });
  const steps = await sql<{ xid: string }>`
    select xid::text as xid from order_timeline where order_id = ${orderId} order by sequence`.execute(fixture.runtime.db);
  expect(steps.rows.slice(1).map(({ xid }) => xid)).toEqual([future, future]);
});

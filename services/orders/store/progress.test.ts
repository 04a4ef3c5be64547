// Two transactions that meet at one order.
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { serviceFixture, testTenant, type ServiceFixture } from "../../../test/support/service-fixture.ts";
import { until } from "../../../test/support/until.ts";
import { orders } from "../main.ts";
import { neighbours } from "../neighbours.fixture.ts";
import { keyOf, lockOrders, saveOrders, type LockedOrder } from "./progress.ts";
import type { OrdersTables } from "./tables.ts";

let fixture: ServiceFixture<OrdersTables>;
beforeAll(async () => {
  fixture = await serviceFixture(orders, { others: neighbours().routes });
});
afterAll(() => fixture.close());

const isWaitedFor = async (): Promise<boolean> => {
  const waiting = await sql`
    select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(fixture.runtime.db);
  return waiting.rows.length > 0;
};

test("who has waited for an order sees all that the other has written: statuses, counts and steps", async () => {
  const items = [{ sku: "MUG", quantity: 1n }];
  const basket = { customerId: "ada", currency: "EUR", paymentToken: "tok_success", items };
  const { order } = await fixture.client(OrdersService).placeOrder(basket);
  const key = { tenant: testTenant, orderId: order?.orderId ?? "" };
  const lock = async (tx: Parameters<typeof lockOrders>[0]): Promise<LockedOrder> => {
    const locked = (await lockOrders(tx, [key])).get(keyOf(key));
    if (!locked) throw new Error("the order is not there");
    return locked;
  };

  let waiting: Promise<LockedOrder> | undefined;
  await fixture.runtime.transaction(async (tx) => {
    const locked = await lock(tx);
    const { progress } = locked;
    const now = new Date();
    progress.inventory = "reserved";
    progress.heard.inventory = 1;
    progress.state = "pending_shipment";
    progress.timeline.push({ sequence: 2, state: "pending_shipment", reason: "", time: now });
    waiting = fixture.runtime.transaction(lock);
    await until(isWaitedFor);
    await saveOrders(tx, [locked], now);
  });

  const { progress } = (await waiting) ?? {};
  expect(progress).toMatchObject({ state: "pending_shipment", inventory: "reserved", heard: { inventory: 1 } });
  expect(progress?.timeline.map(({ state }) => state)).toEqual(["pending", "pending_shipment"]);
});

// Orders of the most lines, by many callers at once: what they take is given back, and never grows with their number squared.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { serviceFixture, type ServiceFixture } from "../../test/support/service-fixture.ts";
import { orders } from "./main.ts";
import { neighbours } from "./neighbours.fixture.ts";
import type { OrdersTables } from "./store/tables.ts";

const callers = 64;
const lines = 500;
/** An order of 500 lines is some 60 kB where it is in hand, and is there in several forms at once. Bytes. */
const heapGrowthMax = 160 * 1024 * 1024;

let fixture: ServiceFixture<OrdersTables>;
beforeAll(async () => {
  const around = neighbours();
  for (let index = 0; index < lines; index += 1) {
    around.prices.set(`SKU-${index}`, BigInt(index + 1));
    around.stock.set(`SKU-${index}`, 1_000_000n);
  }
  fixture = await serviceFixture(orders, { others: around.routes });
});
afterAll(() => fixture.close());

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const heapUsed = (): number => process.memoryUsage().heapUsed;

test(`${callers} callers with ${lines} lines each`, async () => {
  const items = Array.from({ length: lines }, (_, index) => ({ sku: `SKU-${index}`, quantity: 1n }));
  const basket = { customerId: "ada", currency: "EUR", paymentToken: "tok_success", items };
  const client = fixture.client(OrdersService);
  await client.placeOrder(basket);
  const rounds: { peak: number; left: number }[] = [];
  for (let round = 0; round < 2; round += 1) {
    collect();
    const before = heapUsed();
    let peak = before;
    const looking = setInterval(() => (peak = Math.max(peak, heapUsed())), 5);
    await Promise.all(Array.from({ length: callers }, () => client.placeOrder(basket)));
    clearInterval(looking);
    collect();
    rounds.push({ peak: peak - before, left: heapUsed() - before });
  }
  for (const { peak, left } of rounds) {
    expect(peak).toBeLessThan(heapGrowthMax);
    expect(left).toBeLessThan(heapGrowthMax / 4);
  }
  const written = await sql<{ count: number }>`select count(*)::integer as count from order_item`.execute(fixture.runtime.db);
  expect(written.rows[0]?.count).toBe((1 + 2 * callers) * lines);
});

import { afterAll, beforeAll, expect, test } from "vitest";
import { ProductCreatedSchema } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { ReservationState } from "#gen/ordermesh/inventory/v1/stock_pb.ts";
import { OrderCreatedSchema as OrderCreatedV1Schema } from "#gen/ordermesh/orders/events/v1/order_created_pb.ts";
import { OrderCancelledSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { serviceFixture } from "../../../test/support/service-fixture.ts";
import { inventory as definition } from "../main.ts";
import { deliverBatch, order, product, readBooks, telling, told, type Inventory } from "./facts.fixture.ts";

let inventory: Inventory;
beforeAll(async () => {
  inventory = await serviceFixture(definition);
});
afterAll(() => inventory.close());

const stateOf = async (orderId: string): Promise<number | undefined> => {
  const { reservation } = await inventory.client(InventoryService).getReservation({ orderId });
  return reservation?.state;
};
const eventsOf = async (key: string) => (await inventory.sent()).filter((event) => event.key === key);

test("a product brings its stock once, however often it is told", async () => {
  const mug = product({ "FIRST-A": 7, "FIRST-NONE": 0 });
  await inventory.deliver(ProductCreatedSchema, mug, mug);
  await inventory.deliver(ProductCreatedSchema, mug);
  const books = await readBooks(inventory);
  expect(books["FIRST-A"]).toEqual({ onHand: 7, reserved: 0, moved: 7, held: 0 });
  expect(books["FIRST-NONE"]).toEqual({ onHand: 0, reserved: 0, moved: 0, held: 0 });
});

test("an order holds all its lines, demand for one SKU summed", async () => {
  await inventory.deliver(ProductCreatedSchema, product({ "ALL-A": 5, "ALL-B": 5 }));
  const expireTime = new Date("2030-01-01T00:00:00Z");
  const lines: [string, number][] = [
    ["ALL-A", 2],
    ["ALL-B", 1],
    ["ALL-A", 3],
  ];
  await inventory.deliver(OrderCreatedSchema, order("ord_all", lines, expireTime));
  const { reservation } = await inventory.client(InventoryService).getReservation({ orderId: "ord_all" });
  expect(reservation).toMatchObject({
    state: ReservationState.HELD,
    lines: [
      { sku: "ALL-A", quantity: 5n },
      { sku: "ALL-B", quantity: 1n },
    ],
    expireTime: { seconds: BigInt(expireTime.getTime() / 1_000) },
  });
  expect(await eventsOf("ord_all")).toMatchObject([
    { typeName: "ordermesh.inventory.events.v1.StockReserved", sequence: 1, message: { orderId: "ord_all" } },
  ]);
});

test("one short line holds nothing, and every short SKU is named", async () => {
  await inventory.deliver(ProductCreatedSchema, product({ "SHORT-A": 5, "SHORT-B": 1 }));
  await inventory.deliver(OrderCreatedSchema, order("ord_short", { "SHORT-A": 1, "SHORT-B": 2, "SHORT-GHOST": 1 }));
  expect((await readBooks(inventory))["SHORT-A"]).toMatchObject({ reserved: 0, held: 0 });
  expect(await stateOf("ord_short")).toBe(ReservationState.REFUSED);
  const [event] = await eventsOf("ord_short");
  expect(event?.message).toMatchObject({
    shortages: [
      { sku: "SHORT-B", requested: 2n, available: 1n },
      { sku: "SHORT-GHOST", requested: 1n, available: 0n },
    ],
  });
});

test("an order told by the first version of its event is held for a quarter of an hour where it names no time", async () => {
  await inventory.deliver(ProductCreatedSchema, product({ "OLD-A": 1 }));
  const beforeMs = Date.now();
  await inventory.deliver(OrderCreatedV1Schema, {
    orderId: "ord_v1",
    lines: [{ sku: "OLD-A", quantity: 1n }],
    currencyCode: "EUR",
  });
  const { reservation } = await inventory.client(InventoryService).getReservation({ orderId: "ord_v1" });
  expect(reservation?.state).toBe(ReservationState.HELD);
  const holdSeconds = Number(reservation?.expireTime?.seconds) - beforeMs / 1_000;
  expect(holdSeconds).toBeGreaterThan(14 * 60);
  expect(holdSeconds).toBeLessThan(16 * 60);
});

test("fifty buyers of the last unit, each in a transaction of his own: one gets it", async () => {
  await inventory.deliver(ProductCreatedSchema, product({ LAST: 1 }));
  const ids = Array.from({ length: 50 }, (_, index) => `ord_last${index}`);
  await Promise.all(ids.map((id) => inventory.deliver(OrderCreatedSchema, order(id, { LAST: 1 }))));
  const events = (await told(inventory)).filter((line) => line.includes("ord_last"));
  expect(events.filter((line) => line.startsWith("StockReserved"))).toHaveLength(1);
  expect(events.filter((line) => line.startsWith("StockInsufficient"))).toHaveLength(49);
  expect((await readBooks(inventory)).LAST).toEqual({ onHand: 1, reserved: 1, moved: 1, held: 1 });
});

test("a batch of a hundred orders on three SKUs is served in its order until each SKU is used up", async () => {
  const skus = ["BATCH-A", "BATCH-B", "BATCH-C"] as const;
  await inventory.deliver(ProductCreatedSchema, product({ "BATCH-A": 10, "BATCH-B": 20, "BATCH-C": 100 }));
  const orders = Array.from({ length: 100 }, (_, index) => order(`ord_batch${index}`, { [skus[index % 3] ?? ""]: 1 }));
  await inventory.deliver(OrderCreatedSchema, ...orders);
  const reserved = (await told(inventory)).filter((line) => line.startsWith("StockReserved ord_batch"));
  const want = orders.flatMap((_, index) => {
    const turn = Math.floor(index / 3);
    const isServed = index % 3 === 2 || turn < (index % 3 === 0 ? 10 : 20);
    return isServed ? [`StockReserved ord_batch${index} 1`] : [];
  });
  expect(reserved).toEqual(want);
  const books = await readBooks(inventory);
  expect(skus.map((sku) => books[sku]?.reserved)).toEqual([10, 20, 33]);
});

test("batches that want the same SKUs in opposite order do not block each other", async () => {
  const skus = Array.from({ length: 20 }, (_, index) => `CROSS-${String(index).padStart(2, "0")}`);
  await inventory.deliver(ProductCreatedSchema, product(Object.fromEntries(skus.map((sku) => [sku, 1_000]))));
  const batches = Array.from({ length: 8 }, (_, batch) => {
    const inOrder = batch % 2 === 0 ? skus : skus.toReversed();
    return inOrder.map((sku, index) => order(`ord_cross${batch}_${index}`, { [sku]: 1 }));
  });
  await Promise.all(batches.map((batch) => inventory.deliver(OrderCreatedSchema, ...batch)));
  const books = await readBooks(inventory);
  expect(skus.map((sku) => books[sku]?.reserved)).toEqual(skus.map(() => 8));
});

test("tenants in one batch have their own stock and their own orders", async () => {
  const tell = [
    ...["north", "south"].map((tenant) => telling(inventory, ProductCreatedSchema, product({ SHARED: 1 }), tenant)),
    ...["north", "south"].map((tenant) => telling(inventory, OrderCreatedSchema, order("ord_shared", { SHARED: 1 }), tenant)),
    telling(inventory, OrderCreatedSchema, order("ord_other", { SHARED: 1 }), "north"),
  ];
  await deliverBatch(inventory, tell);
  expect((await readBooks(inventory, "north")).SHARED).toMatchObject({ reserved: 1, held: 1 });
  expect((await readBooks(inventory, "south")).SHARED).toMatchObject({ reserved: 1, held: 1 });
  expect((await eventsOf("ord_other")).map(({ typeName }) => typeName)).toEqual([
    "ordermesh.inventory.events.v1.StockInsufficient",
  ]);
});

test("a second OrderCreated for an order is refused and takes nothing with it", async () => {
  await inventory.deliver(ProductCreatedSchema, product({ TWICE: 9 }));
  await inventory.deliver(OrderCreatedSchema, order("ord_twice", { TWICE: 1 }));
  const batch = [order("ord_beside", { TWICE: 1 }), order("ord_twice", { TWICE: 1 })];
  await expect(inventory.deliver(OrderCreatedSchema, ...batch)).rejects.toMatchObject({ code: "DUPLICATE_ORDER" });
  expect((await readBooks(inventory)).TWICE).toMatchObject({ reserved: 1, held: 1 });
  expect(await eventsOf("ord_beside")).toEqual([]);
});

test("an order that was cancelled before it came holds nothing when it comes", async () => {
  await inventory.deliver(ProductCreatedSchema, product({ TOMB: 1 }));
  await inventory.deliver(OrderCancelledSchema, { orderId: "ord_tomb", reason: "CANCELLED_BY_REQUEST" });
  await inventory.deliver(OrderCancelledSchema, { orderId: "ord_tomb", reason: "CANCELLED_BY_REQUEST" });
  await inventory.deliver(OrderCreatedSchema, order("ord_tomb", { TOMB: 1 }));
  expect((await readBooks(inventory)).TOMB).toMatchObject({ reserved: 0, held: 0 });
  expect(await stateOf("ord_tomb")).toBe(ReservationState.RELEASED);
  expect(await eventsOf("ord_tomb")).toEqual([]);
});

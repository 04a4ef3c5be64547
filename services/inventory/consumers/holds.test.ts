import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ProductCreatedSchema } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { ReservationState } from "#gen/ordermesh/inventory/v1/stock_pb.ts";
import { OrderCancelledSchema, OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { OrderState } from "#gen/ordermesh/orders/v1/order_pb.ts";
import { ShipmentDispatchedSchema } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { serviceFixture } from "../../../test/support/service-fixture.ts";
import { inventory as definition } from "../main.ts";
import { order, ordersSaying, product, readBooks, told, type Inventory } from "./facts.fixture.ts";

/** What orders says of those that somebody has placed. */
const standings = new Map<string, OrderState | "away">();
const orders = ordersSaying((orderId) => {
  const standing = standings.get(orderId);
  if (standing === "away") throw new ConnectError("away", Code.Unavailable);
  return standing;
});

let inventory: Inventory;
beforeAll(async () => {
  inventory = await serviceFixture(definition, { others: orders });
});
afterAll(() => inventory.close());

const expireTime = new Date("2026-01-01T00:00:00Z");
const afterExpiry = (seconds: number): Date => new Date(expireTime.getTime() + seconds * 1_000);

const stateOf = async (orderId: string): Promise<number | undefined> => {
  const { reservation } = await inventory.client(InventoryService).getReservation({ orderId });
  return reservation?.state;
};
const toldOf = async (...keys: string[]): Promise<string[]> =>
  (await told(inventory)).filter((line) => keys.includes(line.split(" ")[1] ?? ""));

test("a hold whose order nobody has placed is given back a minute after its time, once", async () => {
  await inventory.deliver(ProductCreatedSchema, product({ SILENT: 3 }));
  await inventory.deliver(OrderCreatedSchema, order("ord_silent", { SILENT: 2 }, expireTime));
  expect(await inventory.runDue(afterExpiry(59))).toBe(0);
  expect((await readBooks(inventory)).SILENT).toMatchObject({ reserved: 2 });
  expect(await inventory.runDue(afterExpiry(60))).toBe(1);
  expect(await inventory.runDue(afterExpiry(600))).toBe(0);
  expect((await readBooks(inventory)).SILENT).toMatchObject({ reserved: 0, held: 0 });
  const released = (await inventory.sent()).at(-1);
  expect(released).toMatchObject({ key: "ord_silent", sequence: 2, message: { reason: "HOLD_EXPIRED" } });
});

test.each([
  OrderState.PENDING_SHIPMENT,
  OrderState.PARTIALLY_SHIPPED,
  OrderState.SHIPPED,
  OrderState.DELIVERED,
  OrderState.RETURNED,
])("a hold of an order that is ready does not end by its time, however late that is heard, state %i", async (standing) => {
  const [orderId, sku] = [`ord_late_${standing}`, `LATE-${standing}`];
  standings.set(orderId, standing);
  await inventory.deliver(ProductCreatedSchema, product({ [sku]: 1 }));
  await inventory.deliver(OrderCreatedSchema, order(orderId, { [sku]: 1 }, expireTime));
  expect(await inventory.runDue(afterExpiry(600))).toBe(1);
  expect(await inventory.runDue(afterExpiry(86_400))).toBe(0);
  // Somebody else wants the same unit while OrderReady is late, and does not get it.
  await inventory.deliver(OrderCreatedSchema, order(`ord_quick_${standing}`, { [sku]: 1 }));
  for (let times = 0; times < 2; times += 1) await inventory.deliver(OrderReadySchema, { orderId });
  for (let times = 0; times < 2; times += 1) await inventory.deliver(ShipmentDispatchedSchema, { orderId });
  expect(await stateOf(orderId)).toBe(ReservationState.SHIPPED);
  expect((await readBooks(inventory))[sku]).toEqual({ onHand: 0, reserved: 0, moved: 0, held: 0 });
  expect(await toldOf(orderId, `ord_quick_${standing}`)).toEqual([
    `StockReserved ${orderId} 1`,
    `StockInsufficient ord_quick_${standing} 1`,
  ]);
});

test("a hold of an order that is not decided waits for it; of one that is cancelled it ends, and what comes late holds nothing", async () => {
  const orderId = "ord_open";
  standings.set(orderId, OrderState.PENDING);
  await inventory.deliver(ProductCreatedSchema, product({ OPEN: 1 }));
  await inventory.deliver(OrderCreatedSchema, order(orderId, { OPEN: 1 }, expireTime));
  await inventory.runDue(afterExpiry(60));
  expect(await stateOf(orderId)).toBe(ReservationState.HELD);
  const soon = () => new Date(Date.now() + 60_000);
  standings.set(orderId, "away");
  await expect(inventory.runDue(soon())).rejects.toThrow("away");
  expect(await stateOf(orderId)).toBe(ReservationState.HELD);
  standings.set(orderId, OrderState.CANCELLED);
  expect(await inventory.runDue(soon())).toBe(1);
  await inventory.deliver(OrderReadySchema, { orderId });
  for (let times = 0; times < 2; times += 1) await inventory.deliver(OrderCancelledSchema, { orderId });
  expect((await readBooks(inventory)).OPEN).toEqual({ onHand: 1, reserved: 0, moved: 1, held: 0 });
  expect(await toldOf(orderId)).toEqual(["StockReserved ord_open 1", "StockReleased ord_open 2"]);
});

test.each([
  { fact: "ready", desc: OrderReadySchema, state: ReservationState.FIRM },
  { fact: "cancelled", desc: OrderCancelledSchema, state: ReservationState.RELEASED },
  { fact: "dispatched", desc: ShipmentDispatchedSchema, state: ReservationState.SHIPPED },
] as const)("an order that is $fact has no hold left to expire", async ({ fact, desc, state }) => {
  const [orderId, sku] = [`ord_wait_${fact}`, `WAIT-${fact}`];
  await inventory.deliver(ProductCreatedSchema, product({ [sku]: 9 }));
  await inventory.deliver(OrderCreatedSchema, order(orderId, { [sku]: 1 }, expireTime));
  await inventory.deliver(desc, { orderId });
  expect(await inventory.runDue(afterExpiry(600))).toBe(0);
  expect(await stateOf(orderId)).toBe(state);
});

test("a refused order plans no expiry", async () => {
  await inventory.deliver(OrderCreatedSchema, order("ord_nothing", { GHOST: 1 }, expireTime));
  expect(await inventory.runDue(afterExpiry(600))).toBe(0);
});

test("cancelling gives back what is held, once; a refused order has nothing to give back", async () => {
  await inventory.deliver(ProductCreatedSchema, product({ BACK: 3 }));
  await inventory.deliver(OrderCreatedSchema, order("ord_back", { BACK: 2 }), order("ord_refused", { BACK: 9 }));
  await inventory.deliver(OrderCancelledSchema, { orderId: "ord_back" }, { orderId: "ord_refused" });
  await inventory.deliver(OrderCancelledSchema, { orderId: "ord_back" }, { orderId: "ord_refused" });
  expect((await readBooks(inventory)).BACK).toEqual({ onHand: 3, reserved: 0, moved: 3, held: 0 });
  expect(await toldOf("ord_back", "ord_refused")).toEqual([
    "StockReserved ord_back 1",
    "StockInsufficient ord_refused 1",
    "StockReleased ord_back 2",
  ]);
  expect(await stateOf("ord_refused")).toBe(ReservationState.REFUSED);
});

test("a firm hold is given back when its order is cancelled", async () => {
  await inventory.deliver(ProductCreatedSchema, product({ FIRM: 1 }));
  await inventory.deliver(OrderCreatedSchema, order("ord_firm", { FIRM: 1 }));
  await inventory.deliver(OrderReadySchema, { orderId: "ord_firm" });
  await inventory.deliver(OrderCancelledSchema, { orderId: "ord_firm" });
  expect((await readBooks(inventory)).FIRM).toMatchObject({ reserved: 0, held: 0 });
});

test("an order that is ready after its hold was lost gets it again, or hears that it cannot", async () => {
  await inventory.deliver(ProductCreatedSchema, product({ AGAIN: 1 }));
  await inventory.deliver(OrderCreatedSchema, order("ord_again", { AGAIN: 1 }, expireTime));
  await inventory.runDue(afterExpiry(600));
  await inventory.deliver(OrderCreatedSchema, order("ord_quick", { AGAIN: 1 }));
  await inventory.deliver(OrderReadySchema, { orderId: "ord_again" });
  expect(await stateOf("ord_again")).toBe(ReservationState.RELEASED);
  await inventory.deliver(OrderCancelledSchema, { orderId: "ord_quick" });
  await inventory.deliver(OrderReadySchema, { orderId: "ord_again" });
  expect(await stateOf("ord_again")).toBe(ReservationState.FIRM);
  expect(await toldOf("ord_again")).toEqual([
    "StockReserved ord_again 1",
    "StockReleased ord_again 2",
    "StockInsufficient ord_again 3",
    "StockReserved ord_again 4",
  ]);
  expect((await readBooks(inventory)).AGAIN).toMatchObject({ reserved: 1, held: 1 });
});

test("a cancelled order stays released, also when a late OrderReady comes", async () => {
  await inventory.deliver(ProductCreatedSchema, product({ GONE: 1 }));
  await inventory.deliver(OrderCreatedSchema, order("ord_gone", { GONE: 1 }, expireTime));
  await inventory.runDue(afterExpiry(600));
  await inventory.deliver(OrderCancelledSchema, { orderId: "ord_gone" });
  await inventory.deliver(OrderReadySchema, { orderId: "ord_gone" });
  expect((await readBooks(inventory)).GONE).toMatchObject({ reserved: 0, held: 0 });
});

test("a parcel that leaves takes its units out of the books, once", async () => {
  await inventory.deliver(ProductCreatedSchema, product({ "SHIP-A": 9, "SHIP-B": 8 }));
  await inventory.deliver(OrderCreatedSchema, order("ord_ship", { "SHIP-A": 2, "SHIP-B": 1 }));
  await inventory.deliver(OrderReadySchema, { orderId: "ord_ship" });
  await inventory.deliver(ShipmentDispatchedSchema, { orderId: "ord_ship", shipmentId: "shp_1" });
  await inventory.deliver(ShipmentDispatchedSchema, { orderId: "ord_ship", shipmentId: "shp_1" });
  const books = await readBooks(inventory);
  expect(books["SHIP-A"]).toEqual({ onHand: 7, reserved: 0, moved: 7, held: 0 });
  expect(books["SHIP-B"]).toEqual({ onHand: 7, reserved: 0, moved: 7, held: 0 });
  const { movements } = await inventory.client(InventoryService).listStockMovements({ sku: "SHIP-A" });
  expect(movements.map(({ quantity, orderId }) => [quantity, orderId])).toEqual([
    [-2n, "ord_ship"],
    [9n, ""],
  ]);
});

test("low stock is told once a crossing, and counted under the SKU", async () => {
  await inventory.deliver(ProductCreatedSchema, product({ LOW: 7 }));
  for (const [index, quantity] of [2, 1, 1].entries()) {
    await inventory.deliver(OrderCreatedSchema, order(`ord_low${index}`, { LOW: quantity }));
    await inventory.deliver(ShipmentDispatchedSchema, { orderId: `ord_low${index}` });
  }
  const low = (await inventory.sent()).filter(({ key }) => key === "LOW");
  expect(low).toMatchObject([{ sequence: 1, message: { sku: "LOW", onHand: 4n, threshold: 5n } }]);
});

test.each([
  { state: "unknown", before: () => Promise.resolve() },
  { state: "refused", before: (orderId: string) => inventory.deliver(OrderCreatedSchema, order(orderId, { GHOST: 1 })) },
  { state: "cancelled-early", before: (orderId: string) => inventory.deliver(OrderCancelledSchema, { orderId }) },
])("a parcel of an order that is $state is a dead letter at once", async ({ state, before }) => {
  const orderId = `ord_parcel_${state}`;
  await before(orderId);
  await expect(inventory.deliver(ShipmentDispatchedSchema, { orderId })).rejects.toMatchObject({ code: "RESERVATION_NOT_HELD" });
});

test("a parcel whose hold was given back takes what is free, once; where nothing is, it is a dead letter until something is", async () => {
  await inventory.deliver(ProductCreatedSchema, product({ LOST: 1 }));
  await inventory.deliver(OrderCreatedSchema, order("ord_lost", { LOST: 1 }));
  await inventory.deliver(OrderCancelledSchema, { orderId: "ord_lost" });
  await inventory.deliver(OrderCreatedSchema, order("ord_other", { LOST: 1 }));
  const left = () => inventory.deliver(ShipmentDispatchedSchema, { orderId: "ord_lost" });
  await expect(left()).rejects.toMatchObject({ code: "SHIPPED_WITHOUT_STOCK" });
  expect((await readBooks(inventory)).LOST).toEqual({ onHand: 1, reserved: 1, moved: 1, held: 1 });
  await inventory.client(InventoryService).adjustStock({ sku: "LOST", quantity: 1n, reason: "found" });
  for (let times = 0; times < 2; times += 1) await left();
  expect(await stateOf("ord_lost")).toBe(ReservationState.SHIPPED);
  expect((await readBooks(inventory)).LOST).toEqual({ onHand: 1, reserved: 1, moved: 1, held: 1 });
});

test("the grace is a setting", async () => {
  const quick = await serviceFixture(definition, {
    others: orders,
    env: { ORDERMESH_HOLD_GRACE_SECONDS: "0", ORDERMESH_LOW_STOCK_THRESHOLD: "2" },
  });
  await quick.deliver(ProductCreatedSchema, product({ QUICK: 2 }));
  await quick.deliver(OrderCreatedSchema, order("ord_quick", { QUICK: 1 }, expireTime));
  expect(await quick.runDue(expireTime)).toBe(1);
  const { stock } = await quick.client(InventoryService).getStock({ sku: "QUICK" });
  expect(stock?.lowStockThreshold).toBe(2n);
  await quick.close();
});

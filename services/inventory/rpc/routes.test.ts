import { Code, type Client } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ProductCreatedSchema } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { MovementType } from "#gen/ordermesh/inventory/v1/stock_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { refusalWithMetadata } from "../../../test/support/refusal.ts";
import { serviceFixture, type ServiceFixture } from "../../../test/support/service-fixture.ts";
import { inventory as definition } from "../main.ts";
import type { InventoryTables } from "../store/tables.ts";

let inventory: ServiceFixture<InventoryTables>;
let client: Client<typeof InventoryService>;

const stocked = {
  PLENTY: 100,
  HELD: 10,
  NONE: 0,
  PAGES: 100,
  ONCE: 100,
  MANY: 100,
  REUSED: 10,
  LOW: 10,
  FLOOR: 10,
  RACE: 10,
};

beforeAll(async () => {
  inventory = await serviceFixture(definition);
  client = inventory.client(InventoryService);
  const variants = Object.entries(stocked).map(([sku, units]) => ({ sku, initialStock: BigInt(units) }));
  await inventory.deliver(ProductCreatedSchema, { productId: "prod_1", title: "Thing", variants });
  const held = ["HELD", "FLOOR"].map((sku) => ({ orderId: `ord_${sku}`, lines: [{ sku, quantity: 4n }] }));
  await inventory.deliver(OrderCreatedSchema, ...held);
});
afterAll(() => inventory.close());

test.each([
  { why: "enough", items: [{ sku: "PLENTY", quantity: 100n }], short: [] },
  {
    why: "demand that is too much in all",
    items: [
      { sku: "PLENTY", quantity: 60n },
      { sku: "PLENTY", quantity: 41n },
    ],
    short: [{ sku: "PLENTY", requested: 101n, available: 100n }],
  },
  {
    why: "units that others hold",
    items: [{ sku: "HELD", quantity: 7n }],
    short: [{ sku: "HELD", requested: 7n, available: 6n }],
  },
  {
    why: "what is unknown, in the order asked",
    items: [
      { sku: "ghost", quantity: 1n },
      { sku: "NONE", quantity: 2n },
    ],
    short: [
      { sku: "ghost", requested: 1n, available: 0n },
      { sku: "NONE", requested: 2n, available: 0n },
    ],
  },
])("availability counts $why", async ({ items, short }) => {
  const { available, shortages } = await client.checkAvailability({ items });
  expect(available).toBe(short.length === 0);
  expect(shortages).toMatchObject(short);
  expect(shortages).toHaveLength(short.length);
});

test("stock says what is there, what is held and what can be sold", async () => {
  const { stock } = await client.getStock({ sku: "HELD" });
  expect(stock).toMatchObject({ sku: "HELD", onHand: 10n, reserved: 4n, available: 6n, lowStockThreshold: 5n });
  expect(stock?.updateTime).toBeDefined();
});

test.each([
  { call: "getStock", ask: () => client.getStock({ sku: "ghost" }), reason: "SKU_NOT_FOUND" },
  { call: "listStockMovements", ask: () => client.listStockMovements({ sku: "ghost" }), reason: "SKU_NOT_FOUND" },
  {
    call: "adjustStock",
    ask: () => client.adjustStock({ sku: "ghost", quantity: 1n, reason: "found" }),
    reason: "SKU_NOT_FOUND",
  },
  { call: "getReservation", ask: () => client.getReservation({ orderId: "ord_ghost" }), reason: "RESERVATION_NOT_FOUND" },
])("$call of what does not exist: $reason", async ({ ask, reason }) => {
  expect(await refusalWithMetadata(ask())).toMatchObject({ code: Code.NotFound, reason });
});

test("pages of movements hold every movement once, newest first", async () => {
  for (let index = 0; index < 6; index += 1)
    await client.adjustStock({ sku: "PAGES", quantity: BigInt(index + 1), reason: "found" });
  const quantities: bigint[] = [];
  let pageToken = "";
  do {
    const page = await client.listStockMovements({ sku: "PAGES", pageSize: 3, pageToken });
    expect(page.movements.length).toBeLessThanOrEqual(3);
    quantities.push(...page.movements.map(({ quantity }) => quantity));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(quantities).toEqual([6n, 5n, 4n, 3n, 2n, 1n, 100n]);
  const whole = await client.listStockMovements({ sku: "PAGES", pageSize: 7 });
  expect(whole.nextPageToken).toBe("");
  expect(whole.movements.at(-1)).toMatchObject({ type: MovementType.INITIAL, orderId: "" });
});

test("a SKU that never had a unit has no movements", async () => {
  expect(await client.listStockMovements({ sku: "NONE" })).toMatchObject({ movements: [], nextPageToken: "" });
});

test.each(["!", "bm9uc2Vuc2Ug", Buffer.from("PAGES mov_x").toString("base64url")])(
  "a page token that we did not give is refused: %s",
  async (pageToken) => {
    expect(await refusalWithMetadata(client.listStockMovements({ sku: "PAGES", pageToken }))).toMatchObject({
      code: Code.InvalidArgument,
      reason: "PAGE_TOKEN_INVALID",
    });
  },
);

test("a change by hand is booked with its reason, and answered again as it was answered first", async () => {
  const request = { sku: "ONCE", quantity: -30n, reason: "broken in transit", requestId: "once-1" };
  const first = await client.adjustStock(request);
  await client.adjustStock({ sku: "ONCE", quantity: 5n, reason: "found" });
  const again = await client.adjustStock(request);
  expect(again).toEqual(first);
  expect(first.stock).toMatchObject({ onHand: 70n, available: 70n });
  expect((await client.getStock({ sku: "ONCE" })).stock?.onHand).toBe(75n);
  const { movements } = await client.listStockMovements({ sku: "ONCE" });
  expect(movements[1]).toMatchObject({ type: MovementType.ADJUSTMENT, quantity: -30n, reason: "broken in transit" });
});

test("fifty repeats of one change at the same time change the stock once", async () => {
  const request = { sku: "MANY", quantity: -7n, reason: "sample", requestId: "many-1" };
  const answers = await Promise.all(Array.from({ length: 50 }, () => client.adjustStock(request)));
  expect(new Set(answers.map(({ stock }) => stock?.onHand))).toEqual(new Set([93n]));
  expect((await client.getStock({ sku: "MANY" })).stock?.onHand).toBe(93n);
});

test.each([
  { why: "quantity", other: { quantity: 2n } },
  { why: "reason", other: { reason: "lost" } },
  { why: "SKU", other: { sku: "PLENTY" } },
])("a request id with another $why is refused", async ({ other }) => {
  const request = { sku: "REUSED", quantity: 1n, reason: "found", requestId: "reused-1" };
  await client.adjustStock(request);
  expect(await refusalWithMetadata(client.adjustStock({ ...request, ...other }))).toMatchObject({
    code: Code.AlreadyExists,
    reason: "REQUEST_ID_REUSED",
  });
  expect((await client.getStock({ sku: "REUSED" })).stock?.onHand).toBe(11n);
});

test("units that are held cannot be taken, and a refused request id is free again", async () => {
  const request = { sku: "FLOOR", reason: "lost", requestId: "floor-1" };
  expect(await refusalWithMetadata(client.adjustStock({ ...request, quantity: -7n }))).toEqual({
    code: Code.FailedPrecondition,
    reason: "STOCK_BELOW_RESERVED",
    metadata: { sku: "FLOOR", onHand: "10", reserved: "4" },
  });
  const { stock } = await client.adjustStock({ ...request, quantity: -6n });
  expect(stock).toMatchObject({ onHand: 4n, available: 0n });
});

test("twenty who take three of ten at the same time: three succeed", async () => {
  const takes = Array.from({ length: 20 }, () => client.adjustStock({ sku: "RACE", quantity: -3n, reason: "taken" }));
  const results = await Promise.allSettled(takes);
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
  expect((await client.getStock({ sku: "RACE" })).stock?.onHand).toBe(1n);
});

test("taking by hand tells of low stock once a crossing, with the request as its cause", async () => {
  const changes = [-5n, -1n, -1n, 10n, -9n];
  for (const quantity of changes) await client.adjustStock({ sku: "LOW", quantity, reason: "count" });
  const low = (await inventory.sent()).filter(({ key }) => key === "LOW");
  expect(low).toMatchObject([
    { sequence: 1, causeId: expect.stringMatching(/^req_/), message: { onHand: 4n, threshold: 5n } },
    { sequence: 2, message: { onHand: 4n } },
  ]);
});

import { afterAll, beforeAll, expect, test } from "vitest";
import { ProductCreatedSchema } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { MovementType } from "#gen/ordermesh/inventory/v1/stock_pb.ts";
import { InventoryService } from "#gen/ordermesh/inventory/v1/inventory_service_pb.ts";
import { ReturnReceivedSchema } from "#gen/ordermesh/orders/events/v1/return_events_pb.ts";
import { serviceFixture } from "../../../test/support/service-fixture.ts";
import { inventory as definition } from "../main.ts";
import { product, readBooks, type Inventory } from "./facts.fixture.ts";

let inventory: Inventory;
beforeAll(async () => {
  inventory = await serviceFixture(definition);
  await inventory.deliver(ProductCreatedSchema, product({ MUG: 10, TEA: 1 }));
});
afterAll(() => inventory.close());

const back = (returnId: string, units: Record<string, number>) => ({
  orderId: "ord_1",
  returnId,
  restocked: Object.entries(units).map(([sku, quantity]) => ({ sku, quantity: BigInt(quantity) })),
});

test("what comes back is on hand once for each return, with a movement that says so", async () => {
  await inventory.deliver(ReturnReceivedSchema, back("rtn_1", { MUG: 2, TEA: 1 }));
  // The same under another event id.
  await inventory.deliver(ReturnReceivedSchema, back("rtn_1", { MUG: 2, TEA: 1 }));
  await inventory.deliver(ReturnReceivedSchema, back("rtn_2", { MUG: 1 }), back("rtn_3", {}));
  expect(await readBooks(inventory)).toMatchObject({ MUG: { onHand: 13, moved: 13 }, TEA: { onHand: 2, moved: 2 } });
  const { movements } = await inventory.client(InventoryService).listStockMovements({ sku: "MUG" });
  expect(movements.map(({ type, quantity }) => ({ type, quantity }))).toEqual([
    { type: MovementType.RETURN, quantity: 1n },
    { type: MovementType.RETURN, quantity: 2n },
    { type: MovementType.INITIAL, quantity: 10n },
  ]);
});

test("a SKU that nobody knows is for a person, and nothing of its return is booked", async () => {
  const wrong = inventory.deliver(ReturnReceivedSchema, back("rtn_9", { TEA: 1, GHOST: 1 }));
  await expect(wrong).rejects.toMatchObject({ code: "SKU_UNKNOWN" });
  expect((await readBooks(inventory))["TEA"]?.onHand).toBe(2);
});

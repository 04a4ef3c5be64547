// More is held for a change once, or not at all; less is given back when the order says that it is so.
import { Code, type Client } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ProductCreatedSchema } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { ReservationChangesService } from "#gen/ordermesh/inventory/v1/reservation_changes_service_pb.ts";
import { OrderChangedSchema, OrderChangeRefusedSchema } from "#gen/ordermesh/orders/events/v1/order_changed_pb.ts";
import { OrderCancelledSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { ShipmentDispatchedSchema } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { refusal } from "../../../test/support/refusal.ts";
import { serviceFixture } from "../../../test/support/service-fixture.ts";
import { order, product, readBooks, type Inventory } from "../consumers/facts.fixture.ts";
import { inventory as definition } from "../main.ts";

let inventory: Inventory;
let client: Client<typeof ReservationChangesService>;
beforeAll(async () => {
  inventory = await serviceFixture(definition);
  client = inventory.client(ReservationChangesService);
});
afterAll(() => inventory.close());

const unitsOf = (units: Record<string, number>) =>
  Object.entries(units).map(([sku, quantity]) => ({ sku, quantity: BigInt(quantity) }));

/** An order of 4 of 10 units, with a SKU of its own and another. */
async function held(name: string) {
  const [orderId, one, other] = [`ord_${name}`, `${name}-1`, `${name}-2`];
  await inventory.deliver(ProductCreatedSchema, product({ [one]: 10, [other]: 3 }));
  await inventory.deliver(OrderCreatedSchema, order(orderId, { [one]: 4 }));
  const about = { orderId, changeId: `chg_${name}` };
  const reservedOf = async () => {
    const books = await readBooks(inventory);
    for (const sku of [one, other]) expect(books[sku]?.held).toBe(books[sku]?.reserved);
    return [books[one]?.reserved, books[other]?.reserved];
  };
  const reserve = (units: Record<string, number>) => client.reserveChange({ ...about, lines: unitsOf(units) });
  return { about, one, other, reservedOf, reserve };
}

test("what is added is held at once, also by ten at a time; what is taken away only when it is so", async () => {
  const { about, one, other, reservedOf, reserve } = await held("MORE");
  await Promise.all(Array.from({ length: 10 }, () => reserve({ [one]: 1, [other]: 2 })));
  expect(await reservedOf()).toEqual([4, 2]);
  await inventory.deliver(OrderChangedSchema, { ...about, lines: unitsOf({ [one]: 1, [other]: 2 }) });
  expect(await reservedOf()).toEqual([1, 2]);
  await inventory.deliver(ShipmentDispatchedSchema, { orderId: about.orderId });
  const { [one]: first, [other]: second } = await readBooks(inventory);
  expect([first, second]).toMatchObject([
    { onHand: 9, moved: 9, reserved: 0 },
    { onHand: 1, moved: 1, reserved: 0 },
  ]);
});

test("a change that is short of one SKU holds nothing of any", async () => {
  const { one, other, reservedOf, reserve } = await held("SHORT");
  expect(await refusal(reserve({ [one]: 6, [other]: 4 }))).toEqual({ code: Code.Aborted, reason: "STOCK_UNAVAILABLE" });
  expect(await reservedOf()).toEqual([4, 0]);
  // Nothing of it remains, so that it may be tried again with less.
  await reserve({ [one]: 6, [other]: 3 });
  expect(await reservedOf()).toEqual([6, 3]);
});

test("a refused change gives back what was added, and a call for it that comes late holds nothing", async () => {
  const { about, one, other, reservedOf, reserve } = await held("REFUSED");
  await reserve({ [one]: 5, [other]: 1 });
  await inventory.deliver(OrderChangeRefusedSchema, { ...about, lines: unitsOf({ [one]: 4 }) });
  expect(await reservedOf()).toEqual([4, 0]);
  expect(await refusal(reserve({ [one]: 5 }))).toEqual({ code: Code.FailedPrecondition, reason: "CHANGE_ENDED" });
  expect(await reservedOf()).toEqual([4, 0]);
});

test("a cancellation gives back what the change has added too, and nothing can be changed after it", async () => {
  const { about, one, other, reservedOf, reserve } = await held("CANCELLED");
  await reserve({ [one]: 5, [other]: 1 });
  await inventory.deliver(OrderCancelledSchema, { orderId: about.orderId });
  expect(await reservedOf()).toEqual([0, 0]);
  expect(await refusal(reserve({ [one]: 6 }))).toEqual({ code: Code.FailedPrecondition, reason: "RESERVATION_NOT_HELD" });
  await inventory.deliver(OrderChangeRefusedSchema, { ...about, lines: unitsOf({ [one]: 4 }) });
  expect(await reservedOf()).toEqual([0, 0]);
});

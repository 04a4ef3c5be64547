// A hold that nobody will ship is given back by hand: once, for good, and never after the parcel has left.
import { Code, type Client } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ProductCreatedSchema } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { InventoryAuditService } from "#gen/ordermesh/inventory/v1/inventory_audit_pb.ts";
import { ReservationState } from "#gen/ordermesh/inventory/v1/stock_pb.ts";
import { OrderCancelledSchema, OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { ShipmentDispatchedSchema } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { refusal } from "../../../test/support/refusal.ts";
import { serviceFixture } from "../../../test/support/service-fixture.ts";
import {
  deliverBatch,
  order,
  ordersSaying,
  product,
  readBooks,
  telling,
  told,
  type Inventory,
} from "../consumers/facts.fixture.ts";
import { inventory as definition } from "../main.ts";

let inventory: Inventory;
let client: Client<typeof InventoryAuditService>;
beforeAll(async () => {
  // Nobody has placed these orders, so that time ends their holds.
  inventory = await serviceFixture(definition, { others: ordersSaying(() => undefined) });
  client = inventory.client(InventoryAuditService);
});
afterAll(() => inventory.close());

const release = (orderId: string, reason = "no such order") => client.releaseReservation({ orderId, reason });
const toldOf = async (orderId: string): Promise<string[]> =>
  (await told(inventory)).filter((line) => line.includes(` ${orderId} `)).map((line) => line.split(" ")[0] ?? "");

async function held(orderId: string, sku: string): Promise<void> {
  await inventory.deliver(ProductCreatedSchema, product({ [sku]: 10 }));
  await inventory.deliver(OrderCreatedSchema, order(orderId, { [sku]: 4 }));
}

test.each(["HELD", "FIRM"])(
  "a %s hold is given back once, however often it is asked for, with the first reason",
  async (state) => {
    const [orderId, sku] = [`ord_once_${state}`, `ONCE-${state}`];
    await held(orderId, sku);
    if (state === "FIRM") await inventory.deliver(OrderReadySchema, { orderId });
    const answers = await Promise.all(Array.from({ length: 10 }, () => release(orderId)));
    const again = await release(orderId, "another reason");
    for (const { reservation } of answers) expect(reservation).toEqual(again.reservation);
    expect(again.reservation).toMatchObject({ orderId, state: ReservationState.RELEASED, units: 4n });
    expect(again.reservation?.expireTime).toBeUndefined();
    expect((await readBooks(inventory))[sku]).toEqual({ onHand: 10, reserved: 0, moved: 10, held: 0 });
    expect(await toldOf(orderId)).toEqual(["StockReserved", "StockReleased"]);
    const { rows } = await sql`select reason from withdrawal where order_id = ${orderId}`.execute(inventory.runtime.db);
    expect(rows).toEqual([{ reason: "no such order" }]);
    expect(await inventory.runDue(new Date(Date.now() + 3_600_000))).toBe(0);
  },
);

test("an order that was never held and one whose parcel has left are refused, and nothing changes", async () => {
  await held("ord_left", "LEFT");
  await inventory.deliver(ShipmentDispatchedSchema, { orderId: "ord_left" });
  expect(await refusal(release("ord_ghost"))).toEqual({ code: Code.NotFound, reason: "RESERVATION_NOT_FOUND" });
  expect(await refusal(release("ord_left"))).toEqual({ code: Code.FailedPrecondition, reason: "RESERVATION_SHIPPED" });
  expect(await toldOf("ord_left")).toEqual(["StockReserved"]);
  expect((await readBooks(inventory)).LEFT).toEqual({ onHand: 6, reserved: 0, moved: 6, held: 0 });
});

test("a hold that was cancelled is left as it is, and one that time has ended is not taken again", async () => {
  await held("ord_gone", "GONE");
  await inventory.deliver(OrderCancelledSchema, { orderId: "ord_gone" });
  await release("ord_gone");
  expect(await toldOf("ord_gone")).toEqual(["StockReserved", "StockReleased"]);
  const { rows } = await sql`select from withdrawal where order_id = 'ord_gone'`.execute(inventory.runtime.db);
  expect(rows).toEqual([]);

  await held("ord_late", "LATE");
  await inventory.runDue(new Date(Date.now() + 3_600_000));
  await release("ord_late");
  await inventory.deliver(OrderReadySchema, { orderId: "ord_late" });
  expect(await toldOf("ord_late")).toEqual(["StockReserved", "StockReleased"]);
  expect((await readBooks(inventory)).LATE).toMatchObject({ reserved: 0, held: 0 });
});

test("against the order's own facts at the same moment: the stock is free or has left, told once, and nothing blocks", async () => {
  await inventory.deliver(ProductCreatedSchema, product({ RACE: 1_000 }));
  const ids = Array.from({ length: 60 }, (_, at) => `ord_race_${at}`);
  await inventory.deliver(OrderCreatedSchema, ...ids.map((id) => order(id, { RACE: 1 })));
  const facts = [OrderReadySchema, OrderCancelledSchema, ShipmentDispatchedSchema] as const;
  const releases = ids.toReversed().map((id) =>
    release(id).then(
      () => "released",
      async (error: unknown) => (await refusal(Promise.reject(error as Error))).reason,
    ),
  );
  await Promise.all([
    ...facts.map((fact, at) =>
      deliverBatch(
        inventory,
        ids
          .filter((_, index) => index % 3 === at)
          .map((orderId) => telling(inventory, fact as typeof OrderReadySchema, { orderId })),
      ),
    ),
    inventory.runDue(new Date(Date.now() + 3_600_000)),
  ]);
  const answers = (await Promise.all(releases)).toReversed();
  const { reservations } = await client.auditReservations({ orderIds: ids });
  const shipped = reservations.filter(({ state }) => state === ReservationState.SHIPPED).map(({ orderId }) => orderId);
  for (const [at, id] of ids.entries()) {
    // What has left has left, whether its hold had been given back before or not.
    const hasLeft = at % 3 === 2;
    expect(shipped.includes(id)).toBe(hasLeft);
    if (!hasLeft) expect(answers[at]).toBe("released");
    const told = await toldOf(id);
    const released = told.filter((name) => name === "StockReleased").length;
    const stillHeld = told.filter((name) => name === "StockReserved").length - released;
    expect(hasLeft ? [0, 1] : [0]).toContain(stillHeld);
    if (answers[at] === "released") expect([id, stillHeld]).toEqual([id, 0]);
  }
  expect((await readBooks(inventory)).RACE).toEqual({
    onHand: 1_000 - shipped.length,
    reserved: 0,
    moved: 1_000 - shipped.length,
    held: 0,
  });
  expect((await client.auditStock({})).discrepancies).toEqual([]);
});

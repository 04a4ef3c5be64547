// Inventory proves its own books: what is wrong is found, what is right is not accused, also while it changes.
import { Code, type Client } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ProductCreatedSchema } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { InventoryAuditService, type AuditStockResponse } from "#gen/ordermesh/inventory/v1/inventory_audit_pb.ts";
import { ReservationState } from "#gen/ordermesh/inventory/v1/stock_pb.ts";
import { OrderCancelledSchema, OrderReadySchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { ShipmentDispatchedSchema } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { refusal } from "../../../test/support/refusal.ts";
import { serviceFixture } from "../../../test/support/service-fixture.ts";
import { deliverBatch, order, product, telling, type Inventory } from "../consumers/facts.fixture.ts";
import { inventory as definition } from "../main.ts";

let inventory: Inventory;
let client: Client<typeof InventoryAuditService>;
beforeAll(async () => {
  inventory = await serviceFixture(definition);
  client = inventory.client(InventoryAuditService);
});
afterAll(() => inventory.close());

const run = (statement: string): Promise<unknown> => sql.raw(statement).execute(inventory.runtime.db);

async function auditAll(pageSize = 0): Promise<Pick<AuditStockResponse, "rowsChecked" | "discrepancies"> & { pages: number }> {
  const whole = { rowsChecked: 0n, discrepancies: [] as AuditStockResponse["discrepancies"], pages: 0 };
  let pageToken = "";
  do {
    const page = await client.auditStock({ pageSize, pageToken });
    whole.rowsChecked += page.rowsChecked;
    whole.discrepancies.push(...page.discrepancies);
    whole.pages += 1;
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return whole;
}

const found = async () =>
  (await auditAll()).discrepancies.map(({ check, key, figures }) => ({ check, key, figures: { ...figures } }));

/** Books with orders in every state. */
async function fill(prefix: string): Promise<{ sku: string; id: (name: string) => string }> {
  const sku = `${prefix}-A`;
  const id = (name: string): string => `ord_${prefix}_${name}`;
  await inventory.deliver(ProductCreatedSchema, product({ [sku]: 20, [`${prefix}-B`]: 5 }));
  const names = ["held", "firm", "shipped", "cancelled"];
  await inventory.deliver(OrderCreatedSchema, ...names.map((name) => order(id(name), { [sku]: 2, [`${prefix}-B`]: 1 })));
  await inventory.deliver(OrderCreatedSchema, order(id("refused"), { [sku]: 100 }));
  await inventory.deliver(OrderReadySchema, { orderId: id("firm") }, { orderId: id("shipped") });
  await inventory.deliver(ShipmentDispatchedSchema, { orderId: id("shipped") });
  await inventory.deliver(OrderCancelledSchema, { orderId: id("cancelled") });
  return { sku, id };
}

test("books with orders in every state show nothing", async () => {
  await fill("CLEAN");
  expect(await auditAll()).toMatchObject({ rowsChecked: 2n, discrepancies: [] });
});

const movement = (id: string, sku: string, quantity: number, orderId: string): string =>
  `insert into stock_movement (tenant_id, movement_id, sku, type, quantity, reason, order_id, create_time)
   values ('demo', '${id}', '${sku}', 'SHIPMENT', ${quantity}, 'planted', '${orderId}', now())`;
const onHand = (sku: string, change: number): string =>
  `update stock set on_hand = on_hand + ${change} where tenant_id = 'demo' and sku = '${sku}'`;

test.each([
  {
    what: "units on hand that no movement brought",
    plant: (sku: string) => [onHand(sku, 3)],
    want: { check: "stock.on_hand", figures: { on_hand: "21", movements: "18" } },
  },
  {
    what: "units that are held for nobody",
    plant: (sku: string) => [`update stock set reserved = reserved + 1 where sku = '${sku}'`],
    want: { check: "stock.reserved", figures: { reserved: "5", live_holds: "4" } },
  },
  {
    what: "a hold that is live and not counted",
    plant: (_: string, id: (name: string) => string) => [
      `update reservation set state = 'FIRM', release_reason = null where order_id = '${id("cancelled")}'`,
      `delete from reservation_line where order_id = '${id("cancelled")}' and sku like '%-B'`,
    ],
    want: { check: "stock.reserved", figures: { reserved: "4", live_holds: "6" } },
  },
  {
    what: "a parcel that left for an order without a reservation",
    plant: (sku: string) => [movement("mov_ghost", sku, -2, "ord_ghost"), onHand(sku, -2)],
    want: {
      check: "stock.shipped",
      figures: { order_id: "ord_ghost", reservation_state: "NONE", reservation_units: "0", shipment_units: "2" },
    },
  },
  {
    what: "units that left for an order that was not shipped",
    plant: (sku: string, id: (name: string) => string) => [movement("mov_early", sku, -2, id("held")), onHand(sku, -2)],
    want: { check: "stock.shipped", figures: { reservation_state: "HELD", reservation_units: "0", shipment_units: "2" } },
  },
  {
    what: "another quantity than was held",
    plant: (sku: string, id: (name: string) => string) => [
      `update reservation_line set quantity = 3 where order_id = '${id("shipped")}' and sku = '${sku}'`,
    ],
    want: { check: "stock.shipped", figures: { reservation_state: "SHIPPED", reservation_units: "3", shipment_units: "2" } },
  },
  {
    what: "a shipped line without a movement",
    plant: (sku: string, id: (name: string) => string) => [
      "alter table stock_movement disable trigger stock_movement_append_only",
      `delete from stock_movement where order_id = '${id("shipped")}' and sku = '${sku}'`,
      "alter table stock_movement enable trigger stock_movement_append_only",
      onHand(sku, 2),
    ],
    want: { check: "stock.shipped", figures: { reservation_state: "SHIPPED", reservation_units: "2", shipment_units: "0" } },
  },
  {
    what: "more held than there is",
    plant: (sku: string, id: (name: string) => string) => [
      "alter table stock drop constraint stock_never_oversold",
      `update reservation_line set quantity = 23 where order_id = '${id("held")}' and sku = '${sku}'`,
      `update stock set reserved = 25 where sku = '${sku}'`,
    ],
    want: { check: "stock.oversold", figures: { on_hand: "18", reserved: "25" } },
  },
  {
    what: "a hold of a SKU that has no stock records",
    plant: (_: string, id: (name: string) => string) => [
      `insert into reservation_line values ('demo', '${id("held")}', 'PLANTED-GHOST', 4)`,
    ],
    wantKey: "PLANTED-GHOST",
    want: { check: "stock.reserved", figures: { reserved: "0", live_holds: "4" } },
  },
])("finds $what, and accuses nothing else", async ({ plant, want, wantKey }) => {
  const planted = await serviceFixture(definition);
  const before = { inventory, client };
  inventory = planted;
  client = planted.client(InventoryAuditService);
  try {
    const { sku, id } = await fill("PLANT");
    for (const statement of plant(sku, id)) await run(statement);
    const findings = await found();
    expect(findings).toMatchObject([{ key: wantKey ?? sku, ...want }]);
  } finally {
    await planted.close();
    ({ inventory, client } = before);
  }
});

test.each([1, 3, 7, 100])("pages of %i hold every SKU once", async (pageSize) => {
  await inventory.deliver(
    ProductCreatedSchema,
    product(Object.fromEntries(Array.from({ length: 21 }, (_, at) => [`PAGE-${at}`, 1]))),
  );
  const { rowsChecked, pages } = await auditAll(pageSize);
  const { rows } = await sql<{ count: number }>`select count(*)::integer as count from stock`.execute(inventory.runtime.db);
  const count = rows[0]?.count ?? 0;
  expect(rowsChecked).toBe(BigInt(count));
  expect(pages).toBe(Math.ceil(count / pageSize));
});

test("orders that come, become ready, leave and end meanwhile never look like a mistake", async () => {
  await inventory.deliver(ProductCreatedSchema, product({ "BUSY-A": 10_000, "BUSY-B": 10_000 }));
  const work = new AbortController();
  const lane = async (name: string): Promise<void> => {
    for (let round = 0; round < 25; round += 1) {
      const ids = Array.from({ length: 8 }, (_, at) => `ord_${name}_${round}_${at}`);
      await deliverBatch(
        inventory,
        ids.map((id) => telling(inventory, OrderCreatedSchema, order(id, { "BUSY-A": 2, "BUSY-B": 1 }))),
      );
      await deliverBatch(
        inventory,
        ids.map((orderId, at) =>
          at % 2 === 0
            ? telling(inventory, OrderReadySchema, { orderId })
            : telling(inventory, OrderCancelledSchema, { orderId }),
        ),
      );
      await deliverBatch(
        inventory,
        ids.filter((_, at) => at % 2 === 0).map((orderId) => telling(inventory, ShipmentDispatchedSchema, { orderId })),
      );
    }
  };
  const auditing = (async () => {
    let audits = 0;
    while (!work.signal.aborted) {
      expect((await auditAll()).discrepancies).toEqual([]);
      audits += 1;
    }
    return audits;
  })();
  await Promise.all(["left", "right"].map(lane)).finally(() => {
    work.abort();
  });
  expect(await auditing).toBeGreaterThan(5);
  expect((await auditAll()).discrepancies).toEqual([]);
}, 60_000);

test("says what is held for orders, and leaves out those without a reservation", async () => {
  const { id } = await fill("ENTRY");
  const names = ["held", "firm", "shipped", "cancelled", "refused", "unknown"];
  const { reservations } = await client.auditReservations({ orderIds: names.map(id) });
  expect(Object.fromEntries(reservations.map(({ orderId, state, units }) => [orderId, [state, units]]))).toEqual({
    [id("held")]: [ReservationState.HELD, 3n],
    [id("firm")]: [ReservationState.FIRM, 3n],
    [id("shipped")]: [ReservationState.SHIPPED, 3n],
    [id("cancelled")]: [ReservationState.RELEASED, 3n],
    [id("refused")]: [ReservationState.REFUSED, 100n],
  });
  expect(reservations.filter(({ expireTime }) => expireTime).map(({ orderId }) => orderId)).toEqual([id("held")]);
  expect(reservations.every(({ updateTime }) => updateTime)).toBe(true);
  expect((await client.auditReservations({})).reservations).toEqual([]);
});

test("pages of live reservations hold each once, oldest order first, and none that has ended", async () => {
  await inventory.deliver(ProductCreatedSchema, product({ LIVE: 100 }));
  const ids = Array.from({ length: 10 }, (_, at) => `ord_live_${at}`);
  await inventory.deliver(OrderCreatedSchema, ...ids.toReversed().map((id) => order(id, { LIVE: 1 })));
  await inventory.deliver(OrderCancelledSchema, { orderId: "ord_live_3" });
  const listed: string[] = [];
  let pageToken = "";
  do {
    const page = await client.listLiveReservations({ pageSize: 4, pageToken });
    expect(page.reservations.length).toBeLessThanOrEqual(4);
    listed.push(...page.reservations.map(({ orderId }) => orderId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(listed).toEqual(listed.toSorted());
  expect(new Set(listed).size).toBe(listed.length);
  expect(listed.filter((id) => id.startsWith("ord_live"))).toEqual(ids.filter((id) => id !== "ord_live_3"));
});

test.each(["auditStock", "listLiveReservations"] as const)("%s refuses a page token that we did not give", async (call) => {
  expect(await refusal(client[call]({ pageToken: "!" }))).toEqual({ code: Code.InvalidArgument, reason: "PAGE_TOKEN_INVALID" });
});

import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { migrateDown, migrateUp, pendingMigrations } from "#runtime/database/migrate.ts";
import { serviceFixture, type ServiceFixture } from "../../../test/support/service-fixture.ts";
import { inventory as definition } from "../main.ts";
import type { InventoryTables } from "./tables.ts";

let inventory: ServiceFixture<InventoryTables>;
beforeAll(async () => {
  inventory = await serviceFixture(definition);
});
afterAll(() => inventory.close());

const where = { schema: definition.name, folder: definition.migrations };
const run = (statement: string): Promise<unknown> => sql.raw(statement).execute(inventory.runtime.db);

const stockRow = (sku: string, onHand: number, reserved: number): string =>
  `insert into stock (tenant_id, sku, on_hand, reserved, update_time) values ('demo', '${sku}', ${onHand}, ${reserved}, now())`;
const movementRow = (id: string, type: string, quantity: number, orderId = "null"): string =>
  `insert into stock_movement (tenant_id, movement_id, sku, type, quantity, reason, order_id, create_time)
   values ('demo', '${id}', 'BOOKED', '${type}', ${quantity}, 'test', ${orderId}, now())`;
const reservationRow = (id: string, state: string, reason: string, expireTime: string): string =>
  `insert into reservation (tenant_id, order_id, state, release_reason, expire_time, sequence, create_time, update_time)
   values ('demo', '${id}', '${state}', ${reason}, ${expireTime}, 1, now(), now())`;

test("the migrations go down to nothing and up again", async () => {
  const { db } = inventory.runtime;
  await migrateDown(db, where);
  const left = await sql<{ name: string }>`
    select table_name as name from information_schema.tables
    where table_schema = ${where.schema} and table_name not like 'migration%'
    union all
    select routine_name from information_schema.routines where routine_schema = ${where.schema}`.execute(db);
  expect(left.rows).toEqual([]);
  await migrateUp(db, where);
  expect(await pendingMigrations(db, where)).toEqual([]);
});

describe("whatever the code does", () => {
  beforeAll(async () => {
    await run(stockRow("BOOKED", 5, 0));
    await run(movementRow("mov_1", "INITIAL", 5));
    await run(movementRow("mov_2", "SHIPMENT", -1, "'ord_1'"));
  });

  test.each([
    { why: "more held than there is", statement: stockRow("A", 1, 2), want: /stock_never_oversold/ },
    { why: "less than nothing held", statement: stockRow("A", 1, -1), want: /stock_never_oversold/ },
    { why: "less than nothing there", statement: stockRow("A", -1, 0), want: /stock_never_oversold/ },
    { why: "a movement of nothing", statement: movementRow("mov_a", "ADJUSTMENT", 0), want: /quantity_check/ },
    { why: "a first stock below zero", statement: movementRow("mov_b", "INITIAL", -1), want: /stock_movement_initial/ },
    { why: "a second first stock", statement: movementRow("mov_c", "INITIAL", 1), want: /initial_once/ },
    { why: "a shipment of no order", statement: movementRow("mov_d", "SHIPMENT", -1), want: /stock_movement_shipment/ },
    { why: "an order shipped twice", statement: movementRow("mov_e", "SHIPMENT", -1, "'ord_1'"), want: /shipped_once/ },
    { why: "a movement that is changed", statement: "update stock_movement set quantity = 9", want: /never changed/ },
    { why: "a movement that is deleted", statement: "delete from stock_movement", want: /never changed/ },
    { why: "a hold without an end", statement: reservationRow("ord_a", "HELD", "null", "null"), want: /hold_ends/ },
    {
      why: "a release without a reason",
      statement: reservationRow("ord_a", "RELEASED", "null", "null"),
      want: /reservation_released/,
    },
    { why: "a state that is none", statement: reservationRow("ord_a", "LOST", "null", "now()"), want: /state_check/ },
  ])("the database refuses $why", async ({ statement, want }) => {
    await expect(run(statement)).rejects.toThrow(want);
  });
});

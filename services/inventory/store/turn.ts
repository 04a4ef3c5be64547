// Facts about orders are settled by one transaction at a time.
import { sql, type Transaction } from "kysely";
import type { InventoryTables } from "./tables.ts";

/**
 * Waits until no other transaction settles facts, and keeps the turn until this one ends.
 *
 * The runtime may call several handlers in one transaction, each of which locks the rows of its own events; what is in
 * order within a call is then in no order within the transaction, and two such transactions would wait for each other.
 */
export async function takeTurn(tx: Transaction<InventoryTables>): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext(current_schema()), 1)`.execute(tx);
}

/**
 * Takes back planned work that has not begun. Work that has begun has deleted its row and waits for its turn: to wait
 * for that row would be to wait for each other. It will find that nothing is held any more, or that it is firm.
 */
export async function cancelDueNotBegun(
  tx: Transaction<InventoryTables>,
  kind: string,
  items: readonly { tenant: string; key: string }[],
): Promise<void> {
  if (items.length === 0) return;
  await sql`
    delete from due_work where id in (
      select id from due_work
      where kind = ${kind} and (tenant_id, key) in (
        select * from unnest(${items.map(({ tenant }) => tenant)}::text[], ${items.map(({ key }) => key)}::text[])
      )
      for update skip locked
    )`.execute(tx);
}

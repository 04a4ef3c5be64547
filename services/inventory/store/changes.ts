// Changes of orders for which more is held: each once, and none any more that is over.
import { sql, type Transaction } from "kysely";
import type { Line } from "../domain/stock.ts";
import type { InventoryTables } from "./tables.ts";

export interface EndedChange {
  tenant: string;
  orderId: string;
  changeId: string;
}

/** "new": the caller is the first; "repeated": more is held for it; "ended": the order has said that it is over. */
export async function beginChange(
  tx: Transaction<InventoryTables>,
  { tenant, orderId, changeId, added }: EndedChange & { added: readonly Line[] },
  now: Date,
): Promise<"new" | "repeated" | "ended"> {
  const begun = await sql`
    insert into reservation_change (tenant_id, order_id, change_id, added, create_time)
    values (${tenant}, ${orderId}, ${changeId}, ${JSON.stringify(added)}::jsonb, ${now})
    on conflict do nothing`.execute(tx);
  if (begun.numAffectedRows === 1n) return "new";
  const found = await sql<{ isOver: boolean }>`
    select end_time is not null as "isOver" from reservation_change
    where tenant_id = ${tenant} and order_id = ${orderId} and change_id = ${changeId}`.execute(tx);
  return found.rows[0]?.isOver ? "ended" : "repeated";
}

/** Also of those for which nothing was held: a call that comes late must find that it is too late. */
export async function endChanges(tx: Transaction<InventoryTables>, ended: readonly EndedChange[], now: Date): Promise<void> {
  if (ended.length === 0) return;
  await sql`
    insert into reservation_change (tenant_id, order_id, change_id, create_time, end_time)
    select *, ${now}::timestamptz, ${now}::timestamptz from unnest(
      ${ended.map(({ tenant }) => tenant)}::text[],
      ${ended.map(({ orderId }) => orderId)}::text[],
      ${ended.map(({ changeId }) => changeId)}::text[]
    )
    on conflict (tenant_id, order_id, change_id) do update set end_time = excluded.end_time`.execute(tx);
}

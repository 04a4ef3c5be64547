// Why holds were given back by hand.
import { sql, type Transaction } from "kysely";
import type { InventoryTables } from "./tables.ts";

/** The first reason stays. */
export async function insertWithdrawal(
  tx: Transaction<InventoryTables>,
  withdrawal: { tenant: string; orderId: string; reason: string; requestId: string },
  now: Date,
): Promise<void> {
  const { tenant, orderId, reason, requestId } = withdrawal;
  await sql`
    insert into withdrawal (tenant_id, order_id, reason, request_id, create_time)
    values (${tenant}, ${orderId}, ${reason}, ${requestId}, ${now})
    on conflict do nothing`.execute(tx);
}

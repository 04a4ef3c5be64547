// What customers have said about being told; what was never said has no row.
import { sql, type Kysely, type Transaction } from "kysely";
import type { Preference } from "../domain/facts.ts";
import type { CustomerKey, NotificationsTables } from "./tables.ts";

export async function readPreferences(
  db: Kysely<NotificationsTables>,
  { tenant, customerId }: CustomerKey,
): Promise<Preference[]> {
  const read = await sql<Preference>`
    select fact, channel, enabled from preference where tenant_id = ${tenant} and customer_id = ${customerId}`.execute(db);
  return read.rows;
}

/** Waits for whoever else changes what belongs to the customer; answers whether it is erased. */
export async function lockCustomer(tx: Transaction<NotificationsTables>, { tenant, customerId }: CustomerKey): Promise<boolean> {
  await sql`select pg_advisory_xact_lock(hashtext(${`notifications.customer ${tenant}`}), hashtext(${customerId}))`.execute(tx);
  return isErased(tx, { tenant, customerId });
}

export async function isErased(db: Kysely<NotificationsTables>, { tenant, customerId }: CustomerKey): Promise<boolean> {
  const read = await sql`
    select from erased_customer where tenant_id = ${tenant} and customer_id = ${customerId}`.execute(db);
  return read.rows.length > 0;
}

export async function savePreferences(
  tx: Transaction<NotificationsTables>,
  { tenant, customerId }: CustomerKey,
  preferences: readonly Preference[],
): Promise<void> {
  await sql`
    insert into preference (tenant_id, customer_id, fact, channel, enabled)
    select ${tenant}, ${customerId}, * from unnest(
      ${preferences.map(({ fact }) => fact)}::text[],
      ${preferences.map(({ channel }) => channel)}::text[],
      ${preferences.map(({ enabled }) => enabled)}::boolean[]
    )
    on conflict (tenant_id, customer_id, fact, channel) do update set enabled = excluded.enabled`.execute(tx);
}

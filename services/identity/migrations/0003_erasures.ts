// Customers who are erased get no account any more.
import { sql, type Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table erased_customer (
      tenant_id text collate "C" not null,
      customer_id text collate "C" not null,
      erase_time timestamptz not null,
      primary key (tenant_id, customer_id)
    )`.execute(db);
  await isolateTenants(db, ["erased_customer"]);
}

export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, ["erased_customer"]);
  await sql`drop table erased_customer`.execute(db);
}

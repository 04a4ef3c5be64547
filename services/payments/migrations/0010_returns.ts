// Returns that were paid back, each once.
import { sql, type Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table return_refund (
      tenant_id text collate "C" not null,
      return_id text collate "C" not null,
      order_id text collate "C" not null,
      -- Less than was wanted where less was left of what was taken.
      amount_minor_units bigint not null check (amount_minor_units >= 0),
      wanted_minor_units bigint not null check (wanted_minor_units >= amount_minor_units),
      create_time timestamptz not null,
      primary key (tenant_id, return_id)
    )`.execute(db);
  await isolateTenants(db, ["return_refund"]);
}

export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, ["return_refund"]);
  await sql`drop table return_refund`.execute(db);
}

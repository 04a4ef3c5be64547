// What the stock of each shop was, night by night.
import { sql, type Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table inventory_report (
      tenant_id text collate "C" not null,
      report_time timestamptz not null,
      skus bigint not null,
      on_hand bigint not null,
      reserved bigint not null,
      low_stock_skus bigint not null,
      low_stock jsonb not null,
      primary key (tenant_id, report_time)
    )`.execute(db);
  await isolateTenants(db, ["inventory_report"]);
}

export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, ["inventory_report"]);
  await sql`drop table inventory_report`.execute(db);
}

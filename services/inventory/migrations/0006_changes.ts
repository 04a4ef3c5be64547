// Changes of orders for which more is held, so that each is held for once.
import { sql, type Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table reservation_change (
      tenant_id text collate "C" not null,
      order_id text collate "C" not null,
      change_id text collate "C" not null,
      create_time timestamptz not null,
      end_time timestamptz,
      primary key (tenant_id, order_id, change_id)
    )`.execute(db);
  await isolateTenants(db, ["reservation_change"]);
}

export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, ["reservation_change"]);
  await sql`drop table reservation_change`.execute(db);
}

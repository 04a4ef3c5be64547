// Parcels that do not leave while their orders are being changed.
import { sql, type Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  // By order, and without a reference: the parcel may not be made yet.
  await sql`
    create table parcel_hold (
      tenant_id text not null,
      order_id text not null,
      change_id text not null,
      create_time timestamptz not null,
      end_time timestamptz,
      primary key (tenant_id, order_id, change_id)
    )`.execute(db);
  await isolateTenants(db, ["parcel_hold"]);
}

export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, ["parcel_hold"]);
  await sql`drop table parcel_hold`.execute(db);
}

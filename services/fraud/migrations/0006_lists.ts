// Lists of values that a shop has gathered; rules refer to them by id.
import { sql, type Kysely } from "kysely";
import { isolateTenants } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table fraud_list (
      tenant_id text not null,
      list_id text collate "C" not null,
      name text not null check (name <> ''),
      kind text not null check (kind in ('BIN', 'DEVICE', 'ADDRESS', 'EMAIL', 'CUSTOMER')),
      create_time timestamptz not null,
      primary key (tenant_id, list_id),
      unique (tenant_id, name)
    )`.execute(db);
  await sql`
    create table list_entry (
      tenant_id text not null,
      list_id text collate "C" not null,
      value text collate "C" not null check (value <> ''),
      entry_number bigint generated always as identity,
      note text not null,
      expire_time timestamptz,
      create_time timestamptz not null,
      primary key (tenant_id, list_id, value),
      foreign key (tenant_id, list_id) references fraud_list on delete cascade
    )`.execute(db);
  await sql`create unique index list_entry_by_number on list_entry (list_id, tenant_id, entry_number)`.execute(db);
  await isolateTenants(db, ["fraud_list", "list_entry"]);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table list_entry, fraud_list`.execute(db);
}

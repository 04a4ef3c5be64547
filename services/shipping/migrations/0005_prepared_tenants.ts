// Which tenants have been given the rates that a shop begins with: once each, so that what they change stays theirs.
import { sql, type Kysely } from "kysely";
import { isolateTenants } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`create table prepared_tenant (tenant_id text primary key, prepare_time timestamptz not null)`.execute(db);
  // Where the owner is no superuser it sees rows of tenants only so.
  await sql`select set_config('ordermesh.system', 'on', true)`.execute(db);
  // Who has rates already keeps them as they are.
  await sql`insert into prepared_tenant select distinct tenant_id, now() from rate`.execute(db);
  await sql`select set_config('ordermesh.system', '', true)`.execute(db);
  await isolateTenants(db, ["prepared_tenant"]);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table prepared_tenant`.execute(db);
}

// Which tenants have been given the rules that a shop begins with: once each, so that what they delete stays deleted.
import { sql, type Kysely } from "kysely";
import { isolateTenants } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`create table prepared_tenant (tenant_id text primary key, prepare_time timestamptz not null)`.execute(db);
  // Where the owner is no superuser it sees rows of tenants only so.
  await sql`select set_config('ordermesh.system', 'on', true)`.execute(db);
  // Whose orders were screened before goes on with the rules that it has, also where that is none.
  await sql`insert into prepared_tenant
    select tenant_id, now() from (select tenant_id from rule union select tenant_id from assessment) as known`.execute(db);
  await sql`select set_config('ordermesh.system', '', true)`.execute(db);
  await isolateTenants(db, ["prepared_tenant"]);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table prepared_tenant`.execute(db);
}

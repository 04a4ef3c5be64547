import { sql, type Kysely } from "kysely";
import { isolateTenants } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table effect (
      id bigint generated always as identity primary key, tenant_id text not null, key text not null, label text not null
    )`.execute(db);
  await isolateTenants(db, ["effect"]);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table effect`.execute(db);
}

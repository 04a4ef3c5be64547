// Shops make zones of their own, and rates know the weight.
import { sql, type Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table zone (
      tenant_id text not null,
      zone text not null check (zone ~ '^[a-z][a-z0-9-]{0,31}$' and zone not in ('domestic', 'international')),
      primary key (tenant_id, zone)
    )`.execute(db);
  // A country is in one zone: the key says so, also of two who want it at once.
  await sql`
    create table zone_country (
      tenant_id text not null,
      country_code text not null check (country_code ~ '^[A-Z]{2}$'),
      zone text not null,
      primary key (tenant_id, country_code),
      foreign key (tenant_id, zone) references zone
    )`.execute(db);
  await isolateTenants(db, ["zone", "zone_country"]);
  await sql`
    alter table rate
      drop constraint rate_zone_check,
      add column steps jsonb not null default '[]' check (jsonb_typeof(steps) = 'array')`.execute(db);
}

/** Fails where a zone of a shop's own has a rate. */
export async function down(db: Kysely<never>): Promise<void> {
  await sql`
    alter table rate
      drop column steps,
      add constraint rate_zone_check check (zone in ('domestic', 'international'))`.execute(db);
  await releaseTables(db, ["zone_country", "zone"]);
  await sql`drop table zone_country, zone`.execute(db);
}

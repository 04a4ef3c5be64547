// By which class a variant is taxed, and what goods of a class bear where they go.
import { sql, type Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    alter table variant
      add column tax_class text collate "C" not null default 'STANDARD' check (tax_class ~ '^[A-Z][A-Z0-9_]{0,31}$')`.execute(db);
  await sql`
    create table tax_rate (
      tenant_id text collate "C" not null,
      country_code text collate "C" not null check (country_code ~ '^[A-Z]{2}$'),
      -- In upper case; empty for the whole country.
      region text collate "C" not null check (region = upper(btrim(region))),
      tax_class text collate "C" not null check (tax_class ~ '^[A-Z][A-Z0-9_]{0,31}$'),
      -- Hundredths of a percent.
      rate integer not null check (rate between 0 and 10000),
      prices_include boolean not null,
      name text not null check (name <> ''),
      primary key (tenant_id, country_code, region, tax_class)
    )`.execute(db);
  await isolateTenants(db, ["tax_rate"]);
}

export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, ["tax_rate"]);
  await sql`drop table tax_rate`.execute(db);
  await sql`alter table variant drop column tax_class`.execute(db);
}

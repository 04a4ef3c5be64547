// The SQL of the zones that a shop has made.
import { sql, type Kysely, type Transaction } from "kysely";
import type { Tables } from "./shipments.ts";

export interface Zone {
  zone: string;
  countryCodes: string[];
}

interface ZoneKey {
  tenant: string;
  zone: string;
}

export async function listZones(db: Kysely<Tables>, tenant: string): Promise<Zone[]> {
  const { rows } = await sql<Zone>`
    select zone, coalesce(array_agg(country_code order by country_code) filter (where country_code is not null), '{}') as "countryCodes"
    from zone left join zone_country using (tenant_id, zone)
    where tenant_id = ${tenant}
    group by zone
    order by zone`.execute(db);
  return rows;
}

/** Locked until the transaction ends. */
export async function lockZone(tx: Transaction<Tables>, { tenant, zone }: ZoneKey): Promise<Zone | undefined> {
  const { rows } = await sql`select from zone where tenant_id = ${tenant} and zone = ${zone} for update`.execute(tx);
  if (rows.length === 0) return undefined;
  const countries = await sql<{ code: string }>`
    select country_code as code from zone_country where tenant_id = ${tenant} and zone = ${zone} order by country_code`.execute(
    tx,
  );
  return { zone, countryCodes: countries.rows.map(({ code }) => code) };
}

/** Answers the countries that other zones have; then nothing may stay. */
export async function saveZone(tx: Transaction<Tables>, tenant: string, { zone, countryCodes }: Zone): Promise<string[]> {
  await sql`insert into zone (tenant_id, zone) values (${tenant}, ${zone}) on conflict do nothing`.execute(tx);
  await sql`
    delete from zone_country
    where tenant_id = ${tenant} and zone = ${zone} and country_code <> all(${countryCodes}::text[])`.execute(tx);
  // In their order, so that two who want the same ones do not wait for each other.
  await sql`
    insert into zone_country (tenant_id, country_code, zone)
    select ${tenant}, code, ${zone} from unnest(${countryCodes}::text[]) as code order by code
    on conflict do nothing`.execute(tx);
  const { rows } = await sql<{ code: string }>`
    select country_code as code from zone_country
    where tenant_id = ${tenant} and country_code = any(${countryCodes}::text[]) and zone <> ${zone}
    order by country_code`.execute(tx);
  return rows.map(({ code }) => code);
}

export async function deleteZone(tx: Transaction<Tables>, { tenant, zone }: ZoneKey): Promise<void> {
  await sql`delete from zone_country where tenant_id = ${tenant} and zone = ${zone}`.execute(tx);
  await sql`delete from zone where tenant_id = ${tenant} and zone = ${zone}`.execute(tx);
}

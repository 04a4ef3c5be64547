// The SQL of rates.
import { sql, type Kysely, type Transaction } from "kysely";
import type { RateRule, WeightStep, ZoneRate } from "../domain/rates.ts";
import type { ShippingMethod } from "../domain/shipment.ts";

export interface RateTable {
  tenant_id: string;
  method: ShippingMethod;
  currency_code: string;
  zone: string;
  base_minor_units: number;
  unit_minor_units: number;
  max_minor_units: number;
  steps: WeightStep[];
}

interface Tables {
  rate: RateTable;
}

const columns = sql`zone, currency_code as "currencyCode", method, base_minor_units as "baseMinorUnits",
  unit_minor_units as "unitMinorUnits", max_minor_units as "maxMinorUnits", steps`;

/** The rates of the zone that a country is in. */
export async function findRates(
  db: Kysely<Tables>,
  { tenant, currencyCode, country }: { tenant: string; currencyCode: string; country: "domestic" | { countryCode: string } },
): Promise<RateRule[]> {
  const zone =
    country === "domestic"
      ? sql`'domestic'`
      : sql`coalesce(
          (select zone_country.zone from zone_country where tenant_id = ${tenant} and country_code = ${country.countryCode}),
          'international')`;
  const { rows } = await sql<ZoneRate>`
    select ${columns} from rate
    where tenant_id = ${tenant} and currency_code = ${currencyCode} and zone = ${zone}`.execute(db);
  return rows;
}

export interface RateKey {
  tenant: string;
  zone: string;
  currencyCode: string;
  method: string;
}

const isRate = ({ tenant, zone, currencyCode, method }: RateKey) =>
  sql`tenant_id = ${tenant} and currency_code = ${currencyCode} and zone = ${zone} and method = ${method}`;

export async function listRates(db: Kysely<Tables>, tenant: string): Promise<ZoneRate[]> {
  const { rows } = await sql<ZoneRate>`
    select ${columns} from rate where tenant_id = ${tenant} order by zone, currency_code, method`.execute(db);
  return rows;
}

/** Locked until the transaction ends. */
export async function lockRate(tx: Transaction<Tables>, key: RateKey): Promise<ZoneRate | undefined> {
  const { rows } = await sql<ZoneRate>`select ${columns} from rate where ${isRate(key)} for update`.execute(tx);
  return rows[0];
}

export async function saveRate(tx: Transaction<Tables>, tenant: string, rate: ZoneRate): Promise<void> {
  const { zone, currencyCode, method, baseMinorUnits, unitMinorUnits, maxMinorUnits, steps } = rate;
  await sql`
    insert into rate (tenant_id, zone, currency_code, method, base_minor_units, unit_minor_units, max_minor_units, steps)
    values (${tenant}, ${zone}, ${currencyCode}, ${method}, ${baseMinorUnits}, ${unitMinorUnits}, ${maxMinorUnits},
      ${JSON.stringify(steps)}::jsonb)
    on conflict (tenant_id, currency_code, zone, method) do update
      set base_minor_units = excluded.base_minor_units, unit_minor_units = excluded.unit_minor_units,
        max_minor_units = excluded.max_minor_units, steps = excluded.steps`.execute(tx);
}

export async function deleteRate(tx: Transaction<Tables>, key: RateKey): Promise<void> {
  await sql`delete from rate where ${isRate(key)}`.execute(tx);
}

export async function hasRates(tx: Transaction<Tables>, { tenant, zone }: { tenant: string; zone: string }): Promise<boolean> {
  const { rows } = await sql`select from rate where tenant_id = ${tenant} and zone = ${zone} limit 1`.execute(tx);
  return rows.length > 0;
}

/** Gives a tenant the rates that it begins with; once, and rates that it has already stay as they are. */
export async function prepareRates(
  tx: Transaction<Tables>,
  { tenant, rates, now }: { tenant: string; rates: readonly ZoneRate[]; now: Date },
): Promise<void> {
  const column = <Value>(pick: (rate: ZoneRate) => Value): Value[] => rates.map(pick);
  await sql`
    with prepared as (
      insert into prepared_tenant (tenant_id, prepare_time) values (${tenant}, ${now}) on conflict do nothing returning tenant_id
    )
    insert into rate (tenant_id, method, currency_code, zone, base_minor_units, unit_minor_units, max_minor_units)
    select tenant_id, rate.* from prepared, unnest(
      ${column(({ method }) => method)}::text[],
      ${column(({ currencyCode }) => currencyCode)}::text[],
      ${column(({ zone }) => zone)}::text[],
      ${column(({ baseMinorUnits }) => baseMinorUnits)}::bigint[],
      ${column(({ unitMinorUnits }) => unitMinorUnits)}::bigint[],
      ${column(({ maxMinorUnits }) => maxMinorUnits)}::bigint[]
    ) as rate
    on conflict do nothing`.execute(tx);
}

/** Whether the tenant has been given rates, which it may have changed since. */
export async function isPrepared(db: Kysely<Tables>, tenant: string): Promise<boolean> {
  const read = await sql`select 1 from prepared_tenant where tenant_id = ${tenant}`.execute(db);
  return read.rows.length > 0;
}

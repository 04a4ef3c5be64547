// The SQL of rates.
import { sql, type Kysely, type Transaction } from "kysely";
import type { RateRule, Zone } from "../domain/rates.ts";
import type { ShippingMethod } from "../domain/shipment.ts";

export interface RateTable {
  tenant_id: string;
  method: ShippingMethod;
  currency_code: string;
  zone: Zone;
  base_minor_units: number;
  unit_minor_units: number;
  max_minor_units: number;
}

export async function findRates(
  db: Kysely<{ rate: RateTable }>,
  { tenant, currencyCode, zone }: { tenant: string; currencyCode: string; zone: Zone },
): Promise<RateRule[]> {
  return db
    .selectFrom("rate")
    .select([
      "method",
      "currency_code as currencyCode",
      "base_minor_units as baseMinorUnits",
      "unit_minor_units as unitMinorUnits",
      "max_minor_units as maxMinorUnits",
    ])
    .where("tenant_id", "=", tenant)
    .where("currency_code", "=", currencyCode)
    .where("zone", "=", zone)
    .execute();
}

/** Gives a tenant the rates that it begins with; once, and rates that it has already stay as they are. */
export async function prepareRates(
  tx: Transaction<{ rate: RateTable }>,
  { tenant, rates, now }: { tenant: string; rates: readonly (RateRule & { zone: Zone })[]; now: Date },
): Promise<void> {
  const column = <Value>(pick: (rate: RateRule & { zone: Zone }) => Value): Value[] => rates.map(pick);
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
export async function isPrepared(db: Kysely<{ rate: RateTable }>, tenant: string): Promise<boolean> {
  const read = await sql`select 1 from prepared_tenant where tenant_id = ${tenant}`.execute(db);
  return read.rows.length > 0;
}

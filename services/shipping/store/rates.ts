// The SQL of rates.
import type { Kysely } from "kysely";
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

// The SQL of the rates of tax.
import { sql, type Kysely, type Transaction } from "kysely";
import type { CatalogTables } from "./tables.ts";

export interface TaxRate {
  countryCode: string;
  /** In upper case; empty for the whole country. */
  region: string;
  taxClass: string;
  /** Hundredths of a percent. */
  rate: number;
  pricesInclude: boolean;
  name: string;
}

export interface TaxRateKey extends Pick<TaxRate, "countryCode" | "region" | "taxClass"> {
  tenant: string;
}

const columns = sql`
  country_code as "countryCode", region, tax_class as "taxClass", rate, prices_include as "pricesInclude", name`;

const isKey = ({ tenant, countryCode, region, taxClass }: TaxRateKey) => sql`
  tenant_id = ${tenant} and country_code = ${countryCode} and region = ${region} and tax_class = ${taxClass}`;

export async function listTaxRates(db: Kysely<CatalogTables>, tenant: string): Promise<TaxRate[]> {
  const read = await sql<TaxRate>`
    select ${columns} from tax_rate where tenant_id = ${tenant} order by country_code, region, tax_class`.execute(db);
  return read.rows;
}

export async function countTaxRates(tx: Transaction<CatalogTables>, tenant: string): Promise<number> {
  const counted = await sql<{ rates: number }>`
    select count(*)::integer as rates from tax_rate where tenant_id = ${tenant}`.execute(tx);
  return counted.rows[0]?.rates ?? 0;
}

/** Locked until the transaction ends. */
export async function lockTaxRate(tx: Transaction<CatalogTables>, key: TaxRateKey): Promise<TaxRate | undefined> {
  const read = await sql<TaxRate>`select ${columns} from tax_rate where ${isKey(key)} for update`.execute(tx);
  return read.rows[0];
}

export async function saveTaxRate(tx: Transaction<CatalogTables>, tenant: string, rate: TaxRate): Promise<void> {
  const { countryCode, region, taxClass, pricesInclude, name } = rate;
  await sql`
    insert into tax_rate (tenant_id, country_code, region, tax_class, rate, prices_include, name)
    values (${tenant}, ${countryCode}, ${region}, ${taxClass}, ${rate.rate}, ${pricesInclude}, ${name})
    on conflict (tenant_id, country_code, region, tax_class) do update
      set rate = excluded.rate, prices_include = excluded.prices_include, name = excluded.name`.execute(tx);
}

export async function deleteTaxRate(tx: Transaction<CatalogTables>, key: TaxRateKey): Promise<void> {
  await sql`delete from tax_rate where ${isKey(key)}`.execute(tx);
}

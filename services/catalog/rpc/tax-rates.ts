// TaxRatesService: an operator says what goods of a class bear. Orders keep the tax with which they were placed.
import { Code, type ServiceImpl } from "@connectrpc/connect";
import { TaxRateSchema, type TaxRatesService } from "#gen/ordermesh/catalog/v1/tax_rates_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { countTaxRates, deleteTaxRate, listTaxRates, lockTaxRate, saveTaxRate, type TaxRateKey } from "../store/tax-rates.ts";
import type { CatalogTables } from "../store/tables.ts";

/** All of a shop are told at once, so there are not to be more. */
const ratesMax = 2_000;

export function taxRatesMethods({
  db,
  transaction,
}: Pick<ServiceRuntime<CatalogTables>, "db" | "transaction">): ServiceImpl<typeof TaxRatesService> {
  return {
    listTaxRates: async () => ({ rates: await listTaxRates(db, currentRequest().tenant) }),

    putTaxRate: async ({ rate: message }) => {
      if (!message) throw new Error("the contract asks for a rate");
      const rate = { ...message, region: regionOf(message.region) };
      const key = { tenant: currentRequest().tenant, ...rate };
      await transaction(async (tx) => {
        const before = await lockTaxRate(tx, key);
        if (!before && (await countTaxRates(tx, key.tenant)) >= ratesMax) throw tooMany();
        await saveTaxRate(tx, key.tenant, rate);
        await recordChange(tx, {
          resource: resourceOf(key),
          ...(before && { before: shown(TaxRateSchema, before) }),
          after: shown(TaxRateSchema, rate),
        });
      });
      return { rate };
    },

    deleteTaxRate: async ({ countryCode, region, taxClass }) => {
      const key = { tenant: currentRequest().tenant, countryCode, region: regionOf(region), taxClass };
      await transaction(async (tx) => {
        const before = await lockTaxRate(tx, key);
        const { id } = resourceOf(key);
        if (!before) throw refuse(Code.NotFound, "TAX_RATE_NOT_FOUND", `there is no rate ${id}`, { rate: id });
        await deleteTaxRate(tx, key);
        await recordChange(tx, { resource: resourceOf(key), before: shown(TaxRateSchema, before) });
      });
      return {};
    },
  };
}

/** Addresses are written by people. */
const regionOf = (text: string): string => text.trim().toUpperCase();

const resourceOf = ({ countryCode, region, taxClass }: TaxRateKey) => ({
  kind: "tax_rate",
  id: [countryCode, region, taxClass].filter((part) => part !== "").join("."),
});

function tooMany(): Error {
  const message = `a shop has at most ${ratesMax} rates of tax: delete those that count no more`;
  return refuse(Code.FailedPrecondition, "TAX_RATES_TOO_MANY", message, { max: String(ratesMax) });
}

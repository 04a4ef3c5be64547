// Tax by the shop's own table of rates, which catalog keeps beside the prices.
import { LRUCache } from "lru-cache";
import { TaxRatesService } from "#gen/ordermesh/catalog/v1/tax_rates_service_pb.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { inServiceContext } from "#runtime/service-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { taxesByRates, type TaxRate } from "../domain/tax.ts";
import type { OrdersTables } from "../store/tables.ts";
import type { TaxProvider } from "../provider/tax.ts";

const tenantsMax = 5_000;
/** Nobody tells of new rates: they are known after this time, as those of shipping. Milliseconds. */
const ratesKeptMs = 30_000;

/** All rates of a shop are asked for at once and kept, also that it has none: an order rarely asks for anything. */
export function tableTaxProvider(runtime: Pick<ServiceRuntime<OrdersTables>, "client">): TaxProvider {
  const catalog = runtime.client(TaxRatesService);
  const known = new LRUCache<string, Promise<readonly TaxRate[]>>({ max: tenantsMax, ttl: ratesKeptMs });

  const ask = async (tenant: string): Promise<readonly TaxRate[]> =>
    (await inServiceContext(tenant, () => catalog.listTaxRates({}))).rates;

  /** Who asks while the answer is on its way waits for the same one. */
  const ratesOf = (tenant: string): Promise<readonly TaxRate[]> => {
    const asked = known.get(tenant);
    if (asked) return asked;
    const rates = ask(tenant);
    known.set(tenant, rates);
    rates.catch(() => {
      if (known.peek(tenant) === rates) known.delete(tenant);
    });
    return rates;
  };

  return {
    quoteFor: async (destination) => {
      const rates = await ratesOf(currentRequest().tenant);
      return (amounts) => Promise.resolve(taxesByRates(rates, { destination, amounts }));
    },
  };
}

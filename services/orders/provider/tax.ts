// Who says what tax an order bears: the shop's own table of rates, or a service that knows better.
import type { Destination, OrderTaxes, TaxedAmounts } from "../domain/tax.ts";

/** Says what tax the given amounts bear. */
export type TaxQuote = (amounts: TaxedAmounts) => Promise<OrderTaxes>;

export interface TaxProvider {
  /**
   * Looks up what depends on the destination alone, for the tenant of the request: it is asked beside the prices, so that an order
   * waits once for all. What it answers is asked when the amounts are known. Rejects where the tax cannot be said: then nothing is sold.
   */
  quoteFor(destination: Destination): Promise<TaxQuote>;
}

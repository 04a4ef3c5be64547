// What there is plenty of need not be asked for with every order. It is a look and no hold in any case: the hold comes with the
// order, and decides.
import { LRUCache } from "lru-cache";
import type { WantedItem } from "../domain/place.ts";

/** Units that must be available for a stock to be plenty. */
export const plentyFrom = 1_000;
/** So much of it may be accepted until it is asked for again: whoever else sells of it can hardly have taken the rest. */
const shareOfPlenty = 0.01;
/** Milliseconds from the question. */
export const plentyMs = 500;
/** What somebody has wanted within it is kept up to date with what is asked for anyway. Milliseconds. */
export const wantedMs = 10_000;
const tenantsMax = 1_000;
const skusMax = 200;

interface Stock {
  /** Units that may be accepted. */
  left: number;
  untilMs: number;
  /** When somebody last wanted it. */
  wantedMs: number;
}

export interface Plenty {
  /** True where there is plenty of all of it; it is counted as accepted. */
  covers(tenant: string, wanted: readonly WantedItem[], nowMs: number): boolean;
  /** What of the tenant's is soon old and was wanted lately: to be asked for with the next question, which then serves all who come after it. */
  renewals(tenant: string, nowMs: number): string[];
  /** Remembers an answer to what was asked at the time. */
  learn(tenant: string, available: ReadonlyMap<string, number>, askedMs: number): void;
}

export function createPlenty(): Plenty {
  const tenants = new LRUCache<string, LRUCache<string, Stock>>({ max: tenantsMax });
  const stocksOf = (tenant: string): LRUCache<string, Stock> => {
    const stocks = tenants.get(tenant) ?? new LRUCache<string, Stock>({ max: skusMax });
    tenants.set(tenant, stocks);
    return stocks;
  };
  return {
    covers: (tenant, wanted, nowMs) => {
      const stocks = tenants.get(tenant);
      let isCovered = stocks !== undefined;
      for (const { sku, quantity } of wanted) {
        const stock = stocks?.get(sku);
        if (stock) {
          stock.wantedMs = nowMs;
          stock.left -= quantity;
        }
        if (!stock || stock.left < 0 || nowMs >= stock.untilMs) isCovered = false;
      }
      return isCovered;
    },
    renewals: (tenant, nowMs) =>
      [...(tenants.get(tenant) ?? [])].flatMap(([sku, stock]) =>
        nowMs - stock.wantedMs < wantedMs && stock.untilMs - nowMs < plentyMs / 2 ? [sku] : [],
      ),
    learn: (tenant, available, askedMs) => {
      const stocks = stocksOf(tenant);
      for (const [sku, units] of available) {
        if (units < plentyFrom) stocks.delete(sku);
        else {
          const left = Math.floor(units * shareOfPlenty);
          // Who asks for it for the first time wants it.
          stocks.set(sku, { left, untilMs: askedMs + plentyMs, wantedMs: stocks.peek(sku)?.wantedMs ?? askedMs });
        }
      }
    },
  };
}

// Rules of the catalogue: how a line is called, and which prices could be found.

/** Of goods that name no other. */
export const standardTaxClass = "STANDARD";

export interface Price {
  currencyCode: string;
  minorUnits: number;
}

/** What a product looks like: where REST shows it, and in which sizes, in pixels of the longer side. */
export interface ProductImage {
  path: string;
  contentHash: string;
  width: number;
  height: number;
  sizes: number[];
}

/** The title of an order's line: "Wool sweater (Blue, L)", or the product's alone where there is one form of it. */
export function lineTitle({ product, variant }: { product: string; variant: string }): string {
  return variant === "" ? product : `${product} (${variant})`;
}

/** What is known about a SKU in one currency. */
export interface PricedSku {
  sku: string;
  /** Undefined where no product has the SKU. */
  title: string | undefined;
  /** Undefined where it is not sold in the currency. */
  minorUnits: number | undefined;
  /** Of one unit; 0 where it is not known. */
  weightGrams: number;
  taxClass: string;
}

export interface SortedPrices {
  found: { sku: string; title: string; minorUnits: number; weightGrams: number; taxClass: string }[];
  unknown: string[];
  withoutPrice: string[];
}

/** Sorts what was found from what was not, each in the order given. */
export function sortPrices(skus: readonly PricedSku[]): SortedPrices {
  const sorted: SortedPrices = { found: [], unknown: [], withoutPrice: [] };
  for (const { sku, title, minorUnits, weightGrams, taxClass } of skus) {
    if (title === undefined) sorted.unknown.push(sku);
    else if (minorUnits === undefined) sorted.withoutPrice.push(sku);
    else sorted.found.push({ sku, title, minorUnits, weightGrams, taxClass });
  }
  return sorted;
}

/** Prices in one order, so that the same prices are the same content. */
export function sortByCurrency(prices: readonly Price[]): Price[] {
  return prices.toSorted((one, other) => (one.currencyCode < other.currencyCode ? -1 : 1));
}

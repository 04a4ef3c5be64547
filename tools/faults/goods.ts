// What is sold in a run, and what it costs to have it sent.

export interface Product {
  sku: string;
  minorUnits: number;
  stock: number;
}

export const plenty = [1, 2, 3, 4].map(
  (number): Product => ({ sku: `FB-PLENTY-${number}`, minorUnits: 900 + number * 100, stock: 50_000 }),
);
/** Everybody wants them, and there are never enough. */
export const scarce = [1, 2, 3].map((number): Product => ({ sku: `FB-SCARCE-${number}`, minorUnits: 2_500, stock: 25 * number }));
/** Large enough to be looked at by a person. */
export const grand: Product = { sku: "FB-GRAND", minorUnits: 600_000, stock: 10_000 };

export const products: readonly Product[] = [...plenty, ...scarce, grand];

/** The same SKUs in each shop; with other prices and other stock, so that what is taken from another shop shows. */
export const productsOf = (shop: number): readonly Product[] =>
  products.map(({ sku, minorUnits, stock }) => ({ sku, minorUnits: minorUnits + shop, stock: stock + 7 * shop }));

export interface Line {
  sku: string;
  quantity: number;
}

export type Method = "STANDARD" | "EXPRESS";

/** An address in the country of the shops. */
export interface Street {
  recipient: string;
  lines: string[];
  city: string;
  postalCode: string;
  countryCode: string;
}

/** What is ordered, how it is sent, and where to. */
export interface Content {
  items: Line[];
  method: Method;
  street: Street;
}

export const streetOf = (number: number): Street => ({
  recipient: "A Buyer",
  lines: [`Teststrasse ${number}`],
  city: "Berlin",
  postalCode: "10115",
  countryCode: "DE",
});

/** What a new shop asks in EUR and in its own country: for the first unit, every further one, and at most. Minor units. */
const rates: Record<Method, readonly [number, number, number]> = { STANDARD: [499, 50, 4_999], EXPRESS: [1_499, 100, 9_999] };

export function sendingCost(units: number, method: Method): number {
  const [base, unit, max] = rates[method];
  return Math.min(base + unit * (units - 1), max);
}

/** What an order comes to: nothing is taxed in a run. Minor units. */
export function costOf({ items, method }: Pick<Content, "items" | "method">, goods: readonly Product[]): number {
  const prices = new Map(goods.map(({ sku, minorUnits }) => [sku, minorUnits]));
  const units = items.reduce((sum, { quantity }) => sum + quantity, 0);
  return items.reduce((sum, { sku, quantity }) => sum + quantity * (prices.get(sku) ?? 0), sendingCost(units, method));
}

// What is sold in a run, and what it costs to have it sent.
import { onTopOf, sendingTax, type BenchTax } from "./taxes.ts";

export interface Product {
  sku: string;
  minorUnits: number;
  stock: number;
  /** Absent where nobody has put a rate for its class. */
  tax?: BenchTax;
}

/** By the number of the product: of the four one bears tax on top, one has it in its price, and two bear none. */
const taxes: Readonly<Record<number, BenchTax>> = {
  1: { taxClass: "REDUCED", rate: 700, isIncluded: false },
  2: { taxClass: "CONTAINED", rate: 1_900, isIncluded: true },
};
export const plenty = [1, 2, 3, 4].map((number): Product => {
  const tax = taxes[number];
  return { sku: `FB-PLENTY-${number}`, minorUnits: 900 + number * 100, stock: 50_000, ...(tax && { tax }) };
});
/** Everybody wants them, and there are never enough. */
export const scarce = [1, 2, 3].map((number): Product => ({ sku: `FB-SCARCE-${number}`, minorUnits: 2_500, stock: 25 * number }));
/** Large enough to be looked at by a person. */
export const grand: Product = { sku: "FB-GRAND", minorUnits: 600_000, stock: 10_000 };

export const products: readonly Product[] = [...plenty, ...scarce, grand];

/** The same SKUs in each shop; with other prices, rates and stock, so that what is taken from another shop shows. */
export const productsOf = (shop: number): readonly Product[] =>
  products.map(({ sku, minorUnits, stock, tax }) => ({
    sku,
    minorUnits: minorUnits + shop,
    stock: stock + 7 * shop,
    ...(tax && { tax: { ...tax, rate: tax.rate + shop } }),
  }));

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

type Ordered = Pick<Content, "items" | "method">;

/** What sending an order costs, with its tax. Minor units. */
export function sendingCost({ items, method }: Ordered): number {
  const [base, unit, max] = rates[method];
  const units = items.reduce((sum, { quantity }) => sum + quantity, 0);
  const cost = Math.min(base + unit * (units - 1), max);
  return cost + onTopOf(sendingTax, cost);
}

/** What an order comes to, with its tax. Minor units. */
export const costOf = (order: Ordered, goods: readonly Product[]): number =>
  order.items.reduce((sum, { sku, quantity }) => sum + shareOf(order, { sku, quantity }, goods), sendingCost(order));

/** What some units of an order have cost, with the part of its line's tax that falls to them. Minor units. */
export function shareOf({ items }: Pick<Content, "items">, { sku, quantity }: Line, goods: readonly Product[]): number {
  const { minorUnits = 0, tax } = goods.find((product) => product.sku === sku) ?? {};
  const ordered = items.find((item) => item.sku === sku)?.quantity ?? 0;
  if (ordered === 0) return 0;
  return quantity * minorUnits + Math.round((onTopOf(tax, ordered * minorUnits) * quantity) / ordered);
}

// What an order costs, and whether it can be accepted as asked.
import { taxTotals, type OrderTaxes, type Tax } from "./tax.ts";

/** No order may come to more. Minor units; far below where whole numbers lose precision. */
export const totalMax = 1_000_000_000_000;

export interface WantedItem {
  sku: string;
  quantity: number;
}

/** A line before it is known what tax it bears. */
export interface PricedLine extends WantedItem {
  title: string;
  unitPrice: number;
  lineTotal: number;
  taxClass: string;
}

export interface PricedItem extends WantedItem {
  title: string;
  unitPrice: number;
  lineTotal: number;
  /** Absent where it bears none. */
  tax?: Tax;
}

/** What an order comes to. Minor units. */
export interface PricedOrder {
  items: PricedItem[];
  subtotal: number;
  shippingCost: number;
  /** Absent where it bears none. */
  shippingTax?: Tax;
  /** On top of subtotal and shipping cost. */
  taxAdded: number;
  total: number;
}

export type PricingOutcome =
  | ({ kind: "priced" } & PricedOrder)
  | { kind: "too_large" }
  | { kind: "not_as_expected"; total: number };

/** Every wanted SKU has a price: the caller has refused the others by name. */
export function priceLines(
  wanted: readonly WantedItem[],
  prices: ReadonlyMap<string, { title: string; unitPrice: number; taxClass: string }>,
): PricedLine[] {
  return wanted.map(({ sku, quantity }) => {
    const price = prices.get(sku);
    if (!price) throw new Error(`no price for ${sku}`);
    const { title, unitPrice, taxClass } = price;
    return { sku, quantity, title, unitPrice, lineTotal: unitPrice * quantity, taxClass };
  });
}

export function priceOrder(order: {
  lines: readonly PricedLine[];
  shippingCost: number;
  taxes: OrderTaxes;
  expectedTotal: number | undefined;
}): PricingOutcome {
  const { lines, shippingCost, taxes, expectedTotal } = order;
  const items = lines.map(({ taxClass: _taxClass, ...line }, index) => {
    const tax = taxes.lines[index];
    return { ...line, ...(tax && { tax }) };
  });
  const subtotal = items.reduce((sum, item) => sum + item.lineTotal, 0);
  const { taxAdded } = taxTotals(taxes);
  const total = subtotal + shippingCost + taxAdded;
  if (total > totalMax) return { kind: "too_large" };
  if (expectedTotal !== undefined && expectedTotal !== total) return { kind: "not_as_expected", total };
  const { shipping: shippingTax } = taxes;
  return { kind: "priced", items, subtotal, shippingCost, ...(shippingTax && { shippingTax }), taxAdded, total };
}

/** Units of all lines together. */
export function unitsOf(wanted: readonly WantedItem[]): number {
  return wanted.reduce((sum, item) => sum + item.quantity, 0);
}

/** Grams of all lines together; a SKU whose weight is not known adds nothing. */
export function weightOf(wanted: readonly WantedItem[], known: ReadonlyMap<string, { weightGrams: number }>): number {
  return wanted.reduce((sum, { sku, quantity }) => sum + quantity * (known.get(sku)?.weightGrams ?? 0), 0);
}

/** A SKU of which less is available than is wanted. */
export interface Shortage {
  sku: string;
  requested: number;
  available: number;
}

/** What there is not enough of, in the order of first mention. A SKU that is not among the available ones has nothing. */
export function shortagesOf(wanted: readonly WantedItem[], available: ReadonlyMap<string, number>): Shortage[] {
  const sums = new Map<string, number>();
  for (const { sku, quantity } of wanted) sums.set(sku, (sums.get(sku) ?? 0) + quantity);
  return [...sums]
    .map(([sku, requested]) => ({ sku, requested, available: available.get(sku) ?? 0 }))
    .filter(({ requested, available: left }) => requested > left);
}

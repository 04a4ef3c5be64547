// What an order costs, and whether it can be accepted as asked.

/** No order may come to more. Minor units; far below where whole numbers lose precision. */
export const totalMax = 1_000_000_000_000;

export interface WantedItem {
  sku: string;
  quantity: number;
}

export interface PricedItem extends WantedItem {
  title: string;
  unitPrice: number;
  lineTotal: number;
}

export type PricingOutcome =
  | { kind: "priced"; items: PricedItem[]; subtotal: number; shippingCost: number; total: number }
  | { kind: "too_large" }
  | { kind: "not_as_expected"; total: number };

/** Every wanted SKU has a price: the caller has refused the others by name. */
export function priceOrder(order: {
  wanted: readonly WantedItem[];
  prices: ReadonlyMap<string, { title: string; unitPrice: number }>;
  shippingCost: number;
  expectedTotal: number | undefined;
}): PricingOutcome {
  const items = order.wanted.map(({ sku, quantity }) => {
    const price = order.prices.get(sku);
    if (!price) throw new Error(`no price for ${sku}`);
    return { sku, quantity, title: price.title, unitPrice: price.unitPrice, lineTotal: price.unitPrice * quantity };
  });
  const subtotal = items.reduce((sum, item) => sum + item.lineTotal, 0);
  const total = subtotal + order.shippingCost;
  if (total > totalMax) return { kind: "too_large" };
  if (order.expectedTotal !== undefined && order.expectedTotal !== total) return { kind: "not_as_expected", total };
  return { kind: "priced", items, subtotal, shippingCost: order.shippingCost, total };
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

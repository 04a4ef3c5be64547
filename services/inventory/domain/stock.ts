// Rules of stock: what can be sold, what is short, and when little is left.
import assert from "node:assert/strict";

/** The units of one SKU. Always 0 <= reserved <= onHand. */
export interface Stock {
  tenant: string;
  sku: string;
  onHand: number;
  reserved: number;
  lowStockThreshold: number;
  /** Events sent under the SKU's key. */
  sequence: number;
}

/** Units of one SKU. */
export interface Line {
  sku: string;
  quantity: number;
}

export interface Shortage {
  sku: string;
  requested: number;
  available: number;
}

/** One line a SKU, in the order of first mention. */
export function sumPerSku(lines: readonly Line[]): Line[] {
  const sums = new Map<string, number>();
  for (const { sku, quantity } of lines) sums.set(sku, (sums.get(sku) ?? 0) + quantity);
  return [...sums].map(([sku, quantity]) => ({ sku, quantity }));
}

/** What the second has more of than the first, of each SKU; each stands in one line. */
export function addedTo(before: readonly Line[], after: readonly Line[]): Line[] {
  const units = new Map(before.map(({ sku, quantity }) => [sku, quantity]));
  return after.flatMap(({ sku, quantity }) => {
    const added = quantity - (units.get(sku) ?? 0);
    return added > 0 ? [{ sku, quantity: added }] : [];
  });
}

export const availableUnits = ({ onHand, reserved }: Pick<Stock, "onHand" | "reserved">): number => onHand - reserved;

/** The lines that cannot be held. An unknown SKU has nothing. Each SKU stands in one line. */
export function shortagesOf(lines: readonly Line[], availableOf: (sku: string) => number | undefined): Shortage[] {
  return lines
    .map(({ sku, quantity }) => ({ sku, requested: quantity, available: availableOf(sku) ?? 0 }))
    .filter(({ requested, available }) => requested > available);
}

/** True where on hand falls from the threshold or more to less; a rise, or a fall further below, is no news. */
export function crossesLow({ before, after, threshold }: { before: number; after: number; threshold: number }): boolean {
  return before >= threshold && after < threshold;
}

export interface StockChange {
  stock: Stock;
  isLow: boolean;
}

/** Changes on hand and reserved, and counts the event that a crossing of the threshold brings. */
export function changeUnits(stock: Stock, change: { onHand: number; reserved: number }): StockChange {
  const onHand = stock.onHand + change.onHand;
  const reserved = stock.reserved + change.reserved;
  assert(reserved >= 0 && reserved <= onHand, `stock of ${stock.sku} would hold ${reserved} of ${onHand}`);
  const isLow = crossesLow({ before: stock.onHand, after: onHand, threshold: stock.lowStockThreshold });
  return { stock: { ...stock, onHand, reserved, sequence: stock.sequence + (isLow ? 1 : 0) }, isLow };
}

export type AdjustOutcome = ({ kind: "adjusted" } & StockChange) | { kind: "below_reserved"; left: number };

/** Changes on hand by hand. What is held for orders stays. */
export function adjust(stock: Stock, quantity: number): AdjustOutcome {
  const left = stock.onHand + quantity;
  if (left < stock.reserved) return { kind: "below_reserved", left };
  return { kind: "adjusted", ...changeUnits(stock, { onHand: quantity, reserved: 0 }) };
}

// What buyers who change their minds want of an order that has not left yet.
import type { Random } from "./random.ts";
import { plenty, scarce, streetOf, type Content, type Line, type Method, type Street } from "./goods.ts";

/** What is to be different, as the contract has it; units of a SKU in all lines together, 0 takes it out. */
export interface Wish {
  lines: Line[];
  shippingMethod?: `SHIPPING_METHOD_${Method}`;
  shippingAddress?: Street;
}

export interface PlannedChange {
  wish: Wish;
  /** How long after what came before it. Milliseconds. */
  waitMs: number;
  /** Outdated: another one that was previewed beside it is confirmed first. Crossed: both at the same moment. */
  fate: "confirmed" | "abandoned" | "outdated" | "crossed";
  rival: Wish;
  /** The confirmation is sent a second time beside the first, under the same key. */
  isRepeated: boolean;
}

const kinds = ["less", "take_out", "more", "other", "scarce", "street", "method", "nothing"] as const;

/** Some of them are refused: more than was screened, more than there is, nothing new, nothing left. */
function planWish({ items, method }: Content, random: Random): Wish {
  const [first, ...others] = items;
  if (!first) return { lines: [] };
  const less = { sku: first.sku, quantity: first.quantity - 1 };
  switch (random.pick(kinds)) {
    case "less":
      return { lines: [less] };
    case "take_out":
      return { lines: (others.length > 0 ? others : items).map(({ sku }) => ({ sku, quantity: 0 })) };
    case "more":
      return { lines: [{ sku: first.sku, quantity: first.quantity + random.between(1, 3) }] };
    case "other":
      return { lines: [less, { sku: random.pick(plenty).sku, quantity: random.between(0, 2) }].filter(isFirstOfSku) };
    case "scarce":
      return {
        lines: [
          { sku: first.sku, quantity: 0 },
          { sku: random.pick(scarce).sku, quantity: 1 },
        ],
      };
    case "street":
      return { lines: [], shippingAddress: streetOf(random.between(2, 9)) };
    case "method":
      return { lines: [less], shippingMethod: `SHIPPING_METHOD_${method === "EXPRESS" ? "STANDARD" : "EXPRESS"}` };
    case "nothing":
      return { lines: [first] };
  }
}

const isFirstOfSku = ({ sku }: Line, index: number, lines: readonly Line[]): boolean =>
  lines.findIndex((line) => line.sku === sku) === index;

export function planChanges(content: Content, random: Random): PlannedChange[] {
  return Array.from({ length: random.between(1, 3) }, () => ({
    wish: planWish(content, random),
    rival: planWish(content, random),
    waitMs: random.between(0, 400),
    fate: random.pick(["confirmed", "confirmed", "confirmed", "abandoned", "outdated", "crossed"]),
    isRepeated: random.next() < 0.2,
  }));
}

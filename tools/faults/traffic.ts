// The orders of a run: all that can become of one, in a mix that the seed decides.
import type { Random } from "./random.ts";

export type Shape =
  | "good"
  | "declined"
  | "no_funds"
  | "flaky"
  | "slow"
  | "provider_error"
  | "buyer_proves"
  | "buyer_left"
  | "scarce"
  | "two_products"
  | "fraud"
  | "review_decided"
  | "review_left"
  | "cancelled"
  | "scheduled"
  | "refunded"
  | "refunded_in_parts"
  | "returned"
  | "split"
  | "split_returned";

export interface PlannedOrder {
  shape: Shape;
  key: string;
  body: Record<string, unknown>;
  /** Sent a second time beside the first, under the same key. */
  isRepeated: boolean;
  /** How long after its acceptance the shape's own command follows: a decision, a cancellation, a refund. Milliseconds. */
  followMs: number;
  decision: "CLEARED" | "REJECTED";
}

export interface Product {
  sku: string;
  minorUnits: number;
  stock: number;
}

const plenty = [1, 2, 3, 4].map(
  (number): Product => ({ sku: `FB-PLENTY-${number}`, minorUnits: 900 + number * 100, stock: 50_000 }),
);
/** Everybody wants them, and there are never enough. */
const scarce = [1, 2, 3].map((number): Product => ({ sku: `FB-SCARCE-${number}`, minorUnits: 2_500, stock: 25 * number }));
/** Large enough to be looked at by a person. */
const grand: Product = { sku: "FB-GRAND", minorUnits: 600_000, stock: 10_000 };

export const products: readonly Product[] = [...plenty, ...scarce, grand];

/** The same SKUs in each shop; with other prices and other stock, so that what is taken from another shop shows. */
export const productsOf = (shop: number): readonly Product[] =>
  products.map(({ sku, minorUnits, stock }) => ({ sku, minorUnits: minorUnits + shop, stock: stock + 7 * shop }));

/** Of a hundred orders. */
const shares: readonly (readonly [Shape, number])[] = [
  ["good", 9],
  ["scheduled", 4],
  ["two_products", 10],
  ["scarce", 14],
  ["cancelled", 14],
  ["declined", 5],
  ["no_funds", 4],
  ["flaky", 6],
  ["slow", 4],
  ["provider_error", 3],
  ["buyer_proves", 2],
  ["buyer_left", 1],
  ["fraud", 4],
  ["review_decided", 4],
  ["review_left", 2],
  ["refunded", 3],
  ["refunded_in_parts", 2],
  ["returned", 3],
  ["split", 3],
  ["split_returned", 3],
];
const deck: readonly Shape[] = shares.flatMap(([shape, share]) => Array.from({ length: share }, () => shape));

const tokens: Partial<Record<Shape, string>> = {
  declined: "tok_declined",
  no_funds: "tok_insufficient_funds",
  flaky: "tok_flaky",
  slow: "tok_delay",
  provider_error: "tok_error",
  buyer_proves: "tok_3ds",
  buyer_left: "tok_3ds",
};

const repeatedShare = 0.1;
/** So long after it is planned an order that begins later begins. Milliseconds. */
const scheduledMs = 3_000;

const isSplit = (shape: Shape): boolean => shape === "split" || shape === "split_returned";

function itemsOf(shape: Shape, random: Random): { sku: string; quantity: string }[] {
  const item = (product: Product, quantity: number) => ({ sku: product.sku, quantity: String(quantity) });
  if (shape === "review_decided" || shape === "review_left") return [item(grand, 1)];
  if (shape === "scarce") return [item(random.pick(scarce), random.between(1, 3)), item(random.pick(plenty), 1)];
  const [first, second] = random.shuffle(plenty);
  if (!first || !second) return [];
  return shape === "two_products" || isSplit(shape)
    ? [item(first, random.between(1, 3)), item(second, random.between(1, 2))]
    : [item(first, random.between(1, 2))];
}

/** Every shape as often as any other: for runs that wait for the rare ones. */
export const evenDeck: readonly Shape[] = shares.map(([shape]) => shape);

/** The order at a position of the run. */
export function planOrder(index: number, run: { name: string; random: Random; shapes?: readonly Shape[] }): PlannedOrder {
  const { name, random, shapes = deck } = run;
  const shape = random.pick(shapes);
  return {
    shape,
    key: `${name}-${index}`,
    body: {
      // So many that screening does not take them for one who orders too often.
      customerId: `buyer-${name}-${index % 400}`,
      currency: "EUR",
      paymentToken: tokens[shape] ?? "tok_success",
      paymentMethodBin: shape === "fraud" ? "400000" : "424242",
      items: itemsOf(shape, random),
      ...(shape === "scheduled" ? { processAfter: new Date(Date.now() + scheduledMs).toISOString() } : {}),
    },
    isRepeated: random.next() < repeatedShare,
    // A parcel is split before it leaves.
    followMs: isSplit(shape) ? 0 : random.between(0, shape.startsWith("refunded") ? 6_000 : 3_500),
    decision: random.next() < 0.7 ? "CLEARED" : "REJECTED",
  };
}

// The orders of a run: all that can become of one, in a mix that the seed decides.
import { grand, plenty, scarce, streetOf, type Content, type Line } from "./goods.ts";
import { planChanges, type PlannedChange } from "./plan-changes.ts";
import { planSendingBack, type PlannedSendingBack } from "./plan-returns.ts";
import type { Random } from "./random.ts";

export type Shape =
  | "good"
  | "declined"
  | "no_funds"
  | "flaky"
  | "slow"
  | "provider_error"
  | "buyer_proves"
  | "buyer_refuses"
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
  | "changed"
  | "changed_before"
  | "changed_and_cancelled"
  | "sent_back"
  | "exchanged"
  | "split"
  | "split_returned";

export interface PlannedOrder {
  shape: Shape;
  key: string;
  content: Content;
  body: Record<string, unknown>;
  /** Sent a second time beside the first, under the same key. */
  isRepeated: boolean;
  /** How long after its acceptance the shape's own command follows: a decision, a cancellation, a refund. Milliseconds. */
  followMs: number;
  decision: "CLEARED" | "REJECTED";
  changes: PlannedChange[];
  sendingBack: PlannedSendingBack | undefined;
}

/** Of a hundred orders. */
const shares: readonly (readonly [Shape, number])[] = [
  ["good", 6],
  ["scheduled", 3],
  ["two_products", 5],
  ["scarce", 8],
  ["cancelled", 7],
  ["declined", 3],
  ["no_funds", 3],
  ["flaky", 4],
  ["slow", 3],
  ["provider_error", 2],
  ["buyer_proves", 3],
  ["buyer_refuses", 2],
  ["buyer_left", 1],
  ["fraud", 3],
  ["review_decided", 3],
  ["review_left", 2],
  ["refunded", 3],
  ["refunded_in_parts", 2],
  ["returned", 3],
  ["changed", 10],
  ["changed_before", 3],
  ["changed_and_cancelled", 4],
  ["sent_back", 7],
  ["exchanged", 4],
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
  buyer_refuses: "tok_3ds",
  buyer_left: "tok_3ds",
};

const repeatedShare = 0.1;
/** So long after it is planned an order that begins later begins. Milliseconds. */
const scheduledMs = 3_000;

/** Shapes that begin later, so that they can be changed while nobody else has heard of them. */
const later: readonly Shape[] = ["scheduled", "changed_before"];
const isSplit = (shape: Shape): boolean => shape === "split" || shape === "split_returned";
const withChanges: readonly Shape[] = ["changed", "changed_before", "changed_and_cancelled"];
/** Of these shapes some are changed before they arrive. */
const changedShare = 0.25;
const ownShare = 0.5;

function itemsOf(shape: Shape, random: Random): Line[] {
  if (shape === "review_decided" || shape === "review_left") return [{ sku: grand.sku, quantity: 1 }];
  const [first, second] = random.shuffle(plenty);
  if (!first || !second) return [];
  if (shape === "scarce") {
    return [
      { sku: random.pick(scarce).sku, quantity: random.between(1, 3) },
      { sku: first.sku, quantity: 1 },
    ];
  }
  const isOfTwo =
    shape === "two_products" || isSplit(shape) || ((isChanged(shape) || isSentBack(shape)) && random.next() < ownShare);
  const one = { sku: first.sku, quantity: random.between(1, isOfTwo ? 3 : 2) };
  return isOfTwo ? [one, { sku: second.sku, quantity: random.between(1, 2) }] : [one];
}

const isChanged = (shape: Shape): boolean => withChanges.includes(shape);
const isSentBack = (shape: Shape): boolean => shape === "sent_back" || shape === "exchanged";

/** Every shape as often as any other: for runs that wait for the rare ones. */
export const evenDeck: readonly Shape[] = shares.map(([shape]) => shape);

/** The order at a position of the run. */
export function planOrder(index: number, run: { name: string; random: Random; shapes?: readonly Shape[] }): PlannedOrder {
  const { name, random, shapes = deck } = run;
  const shape = random.pick(shapes);
  const content: Content = {
    items: itemsOf(shape, random),
    method: random.next() < 0.2 ? "EXPRESS" : "STANDARD",
    street: streetOf(1),
  };
  const isToChange = isChanged(shape) || (isSentBack(shape) && random.next() < changedShare);
  return {
    shape,
    key: `${name}-${index}`,
    content,
    body: {
      // So many that screening does not take them for one who orders too often.
      customerId: `buyer-${name}-${index % 400}`,
      currency: "EUR",
      paymentToken: tokens[shape] ?? "tok_success",
      paymentMethodBin: shape === "fraud" ? "400000" : "424242",
      items: content.items.map(({ sku, quantity }) => ({ sku, quantity: String(quantity) })),
      shippingMethod: `SHIPPING_METHOD_${content.method}`,
      shippingAddress: content.street,
      ...(later.includes(shape) ? { processAfter: new Date(Date.now() + scheduledMs).toISOString() } : {}),
    },
    isRepeated: random.next() < repeatedShare,
    followMs: random.between(0, followMsMax(shape)),
    decision: random.next() < 0.7 ? "CLEARED" : "REJECTED",
    changes: isToChange ? planChanges(content, random) : [],
    sendingBack: isSentBack(shape) ? planSendingBack(content, random, { isExchange: shape === "exchanged" }) : undefined,
  };
}

/** A changed order has to be caught before its parcel leaves. */
function followMsMax(shape: Shape): number {
  // A parcel is split before it leaves.
  if (isSplit(shape)) return 0;
  if (shape.startsWith("refunded")) return 6_000;
  return isChanged(shape) || isSentBack(shape) ? 1_000 : 3_500;
}

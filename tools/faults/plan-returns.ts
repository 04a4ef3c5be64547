// What buyers send back of an order that has arrived, and what the shop says to it.
import { plenty, scarce, type Content, type Line } from "./goods.ts";
import type { Random } from "./random.ts";

export type ReturnCommand = "approve" | "reject" | "receive";

export interface PlannedReturn {
  lines: Line[];
  /** What is wanted instead; undefined where the money is. */
  exchange: Line[] | undefined;
  /** By which it is paid. */
  exchangeToken: string;
  /** Steps one after the other; those of one step are sent at the same moment. */
  steps: ReturnCommand[][];
  received: { sku: string; accepted: number; restocked: number }[];
  refundShipping: boolean;
}

export interface PlannedSendingBack {
  returns: PlannedReturn[];
  /** They are asked for at the same moment, so that each has to know of the other. */
  isAtOnce: boolean;
  /** What the shop gives back by hand beside them; 0 for nothing. Minor units. */
  byHand: number;
}

const waysOf: readonly (readonly ReturnCommand[][])[] = [
  [["approve"], ["receive"]],
  [["approve"], ["receive"]],
  [["approve"], ["receive"]],
  [
    ["approve", "approve"],
    ["receive", "receive"],
  ],
  [["approve"], ["receive", "reject"]],
  [["approve", "reject"], ["receive"]],
  [["receive"], ["reject"]],
  [["approve"]],
  [],
];

/** Units that are accepted and restocked are as many as are to come, or fewer, down to none. */
function planReturn({ items }: Content, random: Random, isExchange: boolean): PlannedReturn {
  const lines = items
    .map(({ sku, quantity }) => ({ sku, quantity: random.between(1, quantity) }))
    .slice(0, random.between(1, items.length));
  const wanted = random.next() < 0.3 ? random.pick(scarce) : random.pick(plenty);
  return {
    lines,
    exchange: isExchange ? [{ sku: wanted.sku, quantity: random.between(1, 3) }] : undefined,
    exchangeToken: random.pick(["tok_success", "tok_success", "tok_declined", "tok_flaky"]),
    steps: random.pick(waysOf).map((step) => [...step]),
    received: lines.map(({ sku, quantity }) => {
      const accepted = random.next() < 0.6 ? quantity : random.between(0, quantity);
      return { sku, accepted, restocked: random.between(0, accepted) };
    }),
    refundShipping: random.next() < 0.3,
  };
}

export function planSendingBack(content: Content, random: Random, { isExchange }: { isExchange: boolean }): PlannedSendingBack {
  return {
    returns: Array.from({ length: random.between(1, 3) }, () => planReturn(content, random, isExchange)),
    isAtOnce: random.next() < 0.5,
    byHand: random.next() < 0.3 ? random.between(50, 900) : 0,
  };
}

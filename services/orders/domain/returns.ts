// What may come back of an order, and what becomes of it. docs/returns.md shows the same tables. Amounts are whole minor units.
import { unitsPerSku, type Item, type Refusal } from "./change.ts";
import type { OrderState } from "./order.ts";
import type { WantedItem } from "./place.ts";
import { onTop } from "./tax.ts";

export type ReturnState = "requested" | "approved" | "rejected" | "received";

/** Which state may follow which. */
export const returnStates: Record<ReturnState, readonly ReturnState[]> = {
  requested: ["approved", "rejected"],
  approved: ["received", "rejected"],
  rejected: [],
  received: [],
};

export interface ReturnLine extends Omit<Item, "tax"> {
  accepted: number;
  restocked: number;
}

export interface ReturnOfOrder {
  state: ReturnState;
  lines: readonly ReturnLine[];
  isShippingRefunded: boolean;
}

const dayMs = 86_400_000;

/** Whether anything of an order may be asked back at all; undefined where it may. Operators are bound to no time. */
export function requestRefusal(
  order: { state: OrderState; deliverTime: Date | undefined },
  { now, daysMax }: { now: Date; daysMax: number | undefined },
): Refusal | undefined {
  if (order.state !== "delivered" || !order.deliverTime) {
    return { reason: "ORDER_NOT_DELIVERED", message: "the order is not delivered; cancel it instead, or ask again when it is" };
  }
  if (daysMax === undefined || now.getTime() - order.deliverTime.getTime() <= daysMax * dayMs) return undefined;
  return { reason: "RETURN_TOO_LATE", message: `it was delivered more than ${daysMax} days ago; ask the shop` };
}

/** Units that are neither back nor on their way back, by line. What was not accepted is still the buyer's. */
export function unitsLeft(items: readonly Item[], returns: readonly ReturnOfOrder[]): Item[] {
  const left = items.map((item) => ({ ...item }));
  for (const { state, lines } of returns) {
    for (const line of lines) take(left, line, goneOf(state, line));
  }
  return left;
}

function goneOf(state: ReturnState, { quantity, accepted }: ReturnLine): number {
  switch (state) {
    case "requested":
    case "approved":
      return quantity;
    case "received":
      return accepted;
    case "rejected":
      return 0;
  }
}

function take(left: Item[], { sku, unitPrice }: Pick<Item, "sku" | "unitPrice">, units: number): void {
  let rest = units;
  for (const item of left) {
    if (item.sku !== sku || item.unitPrice !== unitPrice) continue;
    const taken = Math.min(rest, item.quantity);
    item.quantity -= taken;
    rest -= taken;
  }
}

export type RequestOutcome = { kind: "requested"; lines: ReturnLine[] } | ({ kind: "refused" } & Refusal);

/** Of a SKU that was bought at several prices, what was ordered first comes back first. */
export function requestReturn(left: readonly Item[], wanted: readonly WantedItem[]): RequestOutcome {
  const units = unitsPerSku(left);
  const short = wanted.find(({ sku, quantity }) => quantity > (units.get(sku) ?? 0));
  if (short) {
    const words = `${units.get(short.sku) ?? 0} of ${short.sku} can be sent back`;
    return { kind: "refused", reason: "NOTHING_TO_RETURN", message: `${words}; ask for no more` };
  }
  const lines = wanted.flatMap(({ sku, quantity }) => {
    let rest = quantity;
    return left.flatMap((item): ReturnLine[] => {
      const taken = item.sku === sku ? Math.min(rest, item.quantity) : 0;
      rest -= taken;
      const { title, unitPrice } = item;
      return taken > 0 ? [{ sku, title, quantity: taken, unitPrice, accepted: 0, restocked: 0 }] : [];
    });
  });
  return { kind: "requested", lines };
}

export type Command = "approve" | "reject" | "receive";

const entered = { approve: "approved", reject: "rejected", receive: "received" } as const satisfies Record<Command, ReturnState>;

export type Decision = { kind: "enter"; state: ReturnState } | { kind: "repeated" } | ({ kind: "refused" } & Refusal);

/** What a command does to a return in a state. */
export function decideReturn(state: ReturnState, command: Command): Decision {
  const next = entered[command];
  if (state === next) return { kind: "repeated" };
  if (returnStates[state].includes(next)) return { kind: "enter", state: next };
  if (state === "requested") {
    return { kind: "refused", reason: "RETURN_NOT_APPROVED", message: "nobody has said that it may come; approve it first" };
  }
  return { kind: "refused", reason: "RETURN_CLOSED", message: `it is ${state.toUpperCase()} already` };
}

export interface ReceivedUnits {
  sku: string;
  accepted: number;
  restocked: number;
}

/** The lines with what was accepted and restocked of each; undefined where that is more than was to come. */
export function receivedLines(lines: readonly ReturnLine[], received: readonly ReceivedUnits[]): ReturnLine[] | undefined {
  const units = unitsPerSku(lines);
  const isTooMuch = received.some(({ sku, accepted, restocked }) => accepted > (units.get(sku) ?? 0) || restocked > accepted);
  if (isTooMuch) return undefined;
  const rest = new Map(received.map((one) => [one.sku, { ...one }]));
  return lines.map((line) => {
    const one = rest.get(line.sku);
    if (!one) return { ...line, accepted: 0, restocked: 0 };
    const accepted = Math.min(one.accepted, line.quantity);
    const restocked = Math.min(one.restocked, accepted);
    one.accepted -= accepted;
    one.restocked -= restocked;
    return { ...line, accepted, restocked };
  });
}

/** What was paid for the accepted units: their prices, and of the tax that came on top of their lines what falls to them. */
export function refundOf(items: readonly Item[], lines: readonly ReturnLine[], others: readonly ReturnOfOrder[]): number {
  const before = others.filter(({ state }) => state === "received").flatMap((other) => other.lines);
  const prices = lines.reduce((sum, { accepted, unitPrice }) => sum + accepted * unitPrice, 0);
  const bought = Map.groupBy(items, priceKeyOf);
  return [...bought].reduce((sum, [key, same]) => {
    const acceptedOf = (some: readonly ReturnLine[]): number =>
      some.reduce((units, line) => units + (priceKeyOf(line) === key ? line.accepted : 0), 0);
    const [gone, now] = [acceptedOf(before), acceptedOf(lines)];
    return sum + taxShare(same, gone + now) - taxShare(same, gone);
  }, prices);
}

const priceKeyOf = ({ sku, unitPrice }: Pick<Item, "sku" | "unitPrice">): string => `${sku} ${unitPrice}`;

/** Of so many units of lines of one SKU and price. Of all units it is all of the tax, however they were cut up before. */
function taxShare(same: readonly Item[], units: number): number {
  const quantity = same.reduce((sum, item) => sum + item.quantity, 0);
  const added = same.reduce((sum, { tax }) => sum + onTop(tax), 0);
  return Math.round((added * units) / quantity);
}

/** What goes back on the shelf, a line a SKU. */
export const restockedUnits = (lines: readonly ReturnLine[]): WantedItem[] =>
  [...unitsPerSku(lines.map(({ sku, restocked }) => ({ sku, quantity: restocked })))]
    .map(([sku, quantity]) => ({ sku, quantity }))
    .filter(({ quantity }) => quantity > 0);

export type ExchangeState = "waiting" | "placed" | "refused";

/** What becomes of a wish for something else once its return is over: an order is placed for it, or why none is. */
export function exchangeAfter(
  state: ReturnState,
  lines: readonly ReturnLine[],
): { kind: "place" | "wait" } | ({ kind: "refused" } & Refusal) {
  switch (state) {
    case "requested":
    case "approved":
      return { kind: "wait" };
    case "rejected":
      return { kind: "refused", reason: "RETURN_REJECTED", message: "the return was rejected" };
    case "received":
      if (lines.some(({ accepted }) => accepted > 0)) return { kind: "place" };
      return { kind: "refused", reason: "NOTHING_ACCEPTED", message: "nothing of the return was accepted" };
  }
}

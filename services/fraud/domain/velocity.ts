// How many orders that belong together came in a short time, and what they come to: those that are stored, and those earlier in
// the same batch.
import { earlierOrders, partsOf, velocityKey, type Observed, type Velocity } from "./conditions.ts";
import { valueOf, type ScreenedOrder, type VelocityBy } from "./order.ts";
import type { Rule } from "./rules.ts";

/** What the store is asked for: a number of orders or, where a currency is named, the sum of their totals in it. */
export interface VelocityQuestion {
  order: ScreenedOrder;
  by: VelocityBy;
  windowSeconds: number;
  /** Counting may stop here. */
  ordersMax: number;
  /** ISO 4217; undefined where orders are counted. */
  currencyCode: string | undefined;
  key: string;
}

/** A sum is taken of at most so many orders, the latest of the window: one order must not make us read without end. */
export const summedOrdersMax = 1_000;

type RulesByTenant = ReadonlyMap<string, readonly Rule[]>;
type Window = Omit<VelocityQuestion, "order">;

/** One question an order and window, however many rules look at that window. */
export function velocityQuestions(orders: readonly ScreenedOrder[], rules: RulesByTenant): VelocityQuestion[] {
  const windows = new Map([...rules].map(([tenant, ofTenant]) => [tenant, windowsOf(ofTenant)] as const));
  return orders.flatMap((order) =>
    (windows.get(order.tenant) ?? []).filter(({ by }) => valueOf(order, by) !== "").map((window) => ({ order, ...window })),
  );
}

/** Each window with the widest limit that a rule sets for it. */
function windowsOf(rules: readonly Rule[]): Window[] {
  const windows = new Map<string, Window>();
  for (const velocity of rules.flatMap(velocitiesOf)) {
    const key = velocityKey(velocity);
    const isSum = "sumMax" in velocity;
    const ordersMax = Math.max(isSum ? summedOrdersMax : velocity.ordersMax, windows.get(key)?.ordersMax ?? 0);
    const currencyCode = isSum ? velocity.sumMax.currencyCode : undefined;
    windows.set(key, { by: velocity.by, windowSeconds: velocity.windowSeconds, ordersMax, currencyCode, key });
  }
  return [...windows.values()];
}

function velocitiesOf({ condition, isDisabled }: Rule): Velocity[] {
  if (isDisabled) return [];
  return partsOf(condition).flatMap((part): Velocity[] => {
    if (part.kind === "new_customer") return [earlierOrders];
    return part.kind === "velocity" ? [part] : [];
  });
}

/** Orders as they are to be screened: by the time they were placed, so that the one too many is the last one. */
export function byPlaceTime(orders: readonly ScreenedOrder[]): ScreenedOrder[] {
  return orders.toSorted((one, other) => one.placeTime.getTime() - other.placeTime.getTime());
}

export interface VelocityCounter {
  /** What was stored and what was added since, for each question about the order. */
  observe(order: ScreenedOrder): Observed["velocity"];
  /** Lets an order count for those that are screened after it. */
  add(order: ScreenedOrder): void;
}

const kinds = ["CUSTOMER", "BIN", "DEVICE", "ADDRESS", "EMAIL"] as const satisfies VelocityBy[];

/** Counts for one batch. The counts are the store's answers, one for each question. */
export function velocityCounter(questions: readonly VelocityQuestion[], counts: readonly number[]): VelocityCounter {
  const asked = Map.groupBy(
    questions.map((question, index) => ({ question, stored: counts[index] ?? 0 })),
    ({ question }) => orderKey(question.order),
  );
  const added = new Map<string, ScreenedOrder[]>();
  return {
    observe: (order) =>
      Object.fromEntries(
        (asked.get(orderKey(order)) ?? []).map(({ question, stored }) => {
          const earlier = added.get(groupKey(order, question.by)) ?? [];
          return [question.key, stored + measureOf(earlier, question, question.ordersMax - stored)];
        }),
      ),
    add: (order) => {
      for (const by of kinds) {
        if (valueOf(order, by) === "") continue;
        const key = groupKey(order, by);
        const ofGroup = added.get(key);
        if (ofGroup) ofGroup.push(order);
        else added.set(key, [order]);
      }
    },
  };
}

/** From the latest backwards, so that it ends with the window or the limit. */
function measureOf(
  earlier: readonly ScreenedOrder[],
  { order, windowSeconds, currencyCode }: VelocityQuestion,
  room: number,
): number {
  const startMs = order.placeTime.getTime() - windowSeconds * 1_000;
  let measure = 0;
  for (let index = earlier.length - 1; index >= 0; index -= 1) {
    const before = earlier[index];
    if (!before || before.placeTime.getTime() <= startMs) break;
    if (currencyCode === undefined && measure >= room) break;
    if (currencyCode === undefined) measure += 1;
    else if (before.total.currencyCode === currencyCode) measure += before.total.minorUnits;
  }
  return measure;
}

const groupKey = (order: ScreenedOrder, by: VelocityBy): string => JSON.stringify([order.tenant, by, valueOf(order, by)]);
const orderKey = ({ tenant, orderId }: ScreenedOrder): string => JSON.stringify([tenant, orderId]);

// How many orders of one customer came in a short time: those that are stored, and those earlier in the same batch.
import type { OrdersBefore, Rule, ScreenedOrder } from "./rules.ts";

/** A count that the store is asked for. */
export interface VelocityQuestion {
  order: ScreenedOrder;
  windowSeconds: number;
  /** Counting may stop here. */
  ordersMax: number;
}

type RulesByTenant = ReadonlyMap<string, readonly Rule[]>;

/** One question an order and window, however many rules look at that window. */
export function velocityQuestions(orders: readonly ScreenedOrder[], rules: RulesByTenant): VelocityQuestion[] {
  const windows = new Map([...rules].map(([tenant, ofTenant]) => [tenant, widestLimits(ofTenant)] as const));
  return orders
    .filter((order) => order.customerId !== "")
    .flatMap((order) =>
      [...(windows.get(order.tenant) ?? [])].map(([windowSeconds, ordersMax]) => ({ order, windowSeconds, ordersMax })),
    );
}

function widestLimits(rules: readonly Rule[]): Map<number, number> {
  const limits = new Map<number, number>();
  for (const { condition } of rules) {
    if (condition.kind !== "velocity") continue;
    const { windowSeconds, ordersMax } = condition;
    limits.set(windowSeconds, Math.max(ordersMax, limits.get(windowSeconds) ?? 0));
  }
  return limits;
}

/** Orders as they are to be screened: by the time they were placed, so that the one too many is the last one. */
export function byPlaceTime(orders: readonly ScreenedOrder[]): ScreenedOrder[] {
  return orders.toSorted((one, other) => one.placeTime.getTime() - other.placeTime.getTime());
}

export interface VelocityCounter {
  ordersBefore: OrdersBefore;
  /** Lets an order count for those that are screened after it. */
  add(order: ScreenedOrder): void;
}

/** Counts for one batch. The counts are the store's answers, one for each question. */
export function velocityCounter(questions: readonly VelocityQuestion[], counts: readonly number[]): VelocityCounter {
  const stored = new Map(
    questions.map(({ order, windowSeconds }, index) => [questionKey(order, windowSeconds), counts[index] ?? 0] as const),
  );
  const placedMs = new Map<string, number[]>();
  return {
    ordersBefore: (order, { windowSeconds, ordersMax }) => {
      let count = stored.get(questionKey(order, windowSeconds)) ?? 0;
      const ofCustomer = placedMs.get(customerKey(order)) ?? [];
      const startMs = order.placeTime.getTime() - windowSeconds * 1_000;
      // From the latest backwards, so that it ends with the window or the limit.
      for (let index = ofCustomer.length - 1; index >= 0 && count < ordersMax; index -= 1) {
        if ((ofCustomer[index] ?? 0) <= startMs) break;
        count += 1;
      }
      return count;
    },
    add: (order) => {
      const ofCustomer = placedMs.get(customerKey(order));
      if (ofCustomer) ofCustomer.push(order.placeTime.getTime());
      else placedMs.set(customerKey(order), [order.placeTime.getTime()]);
    },
  };
}

const customerKey = (order: ScreenedOrder): string => JSON.stringify([order.tenant, order.customerId]);
const questionKey = (order: ScreenedOrder, windowSeconds: number): string =>
  JSON.stringify([order.tenant, order.orderId, windowSeconds]);

// What must be true of an order in its own books, and what to say where it is not.
import { stateChanges, type OrderState } from "./order.ts";

/** An order and all that its own books say about it, read at one moment. */
export interface AuditedOrder {
  orderId: string;
  state: OrderState;
  subtotal: number;
  shippingCost: number;
  /** The part of tax that is not contained in subtotal and shipping cost. */
  taxAdded: number;
  /** The same as the lines and the shipping cost say it. */
  taxOnTop: number;
  total: number;
  lines: number;
  /** Sum of units times price over all lines. */
  linesTotal: number;
  timeline: readonly { sequence: number; state: OrderState; reason: string }[];
  /** Whether a change of it is under way, and work is planned that brings that to its end. */
  isChanging: boolean;
  isChangePlanned: boolean;
  /** Whether work is planned that brings it on when its time has come: that releases it, or ends it. */
  isStepPlanned: boolean;
}

export interface Finding {
  check: "orders.total" | "orders.timeline" | "orders.next_step";
  key: string;
  message: string;
  figures: Record<string, string | number>;
}

export function auditOrder(order: AuditedOrder): Finding[] {
  return [auditTotal(order), auditTimeline(order), auditNextStep(order)].flatMap((finding) => finding ?? []);
}

function auditTotal(order: AuditedOrder): Finding | undefined {
  const { orderId: key, lines, linesTotal, subtotal, shippingCost, taxAdded, taxOnTop, total } = order;
  const isSum = subtotal + shippingCost + taxAdded === total;
  if (lines > 0 && linesTotal === subtotal && taxOnTop === taxAdded && isSum) return undefined;
  const tax = { tax_added: taxAdded, tax_on_top: taxOnTop };
  const figures = { lines, lines_total: linesTotal, subtotal, shipping_cost: shippingCost, ...tax, total };
  return { check: "orders.total", key, message: "the lines, the shipping cost and the tax are not the total", figures };
}

function auditTimeline({ orderId: key, state, timeline }: AuditedOrder): Finding | undefined {
  const isCounted = timeline.every(({ sequence }, index) => sequence === index + 1);
  const isAllowed = timeline.every((entry, index) => {
    const before = timeline[index - 1];
    if (!before) return ["scheduled", "pending"].includes(entry.state);
    // Until it leaves an order may change and stay in its state, and its buyer may have to act while it is pending.
    const isChange = entry.reason === "CHANGED" && stateChanges[entry.state].includes("cancelled");
    const isAction = entry.reason === "PAYMENT_ACTION_REQUIRED" && entry.state === "pending";
    return isChange || isAction ? before.state === entry.state : stateChanges[before.state].includes(entry.state);
  });
  if (isCounted && isAllowed && timeline.at(-1)?.state === state) return undefined;
  const shown = timeline.map((entry) => `${entry.sequence} ${entry.state}`).join(", ");
  return {
    check: "orders.timeline",
    key,
    message: "the timeline does not lead to the state",
    figures: { state, timeline: shown },
  };
}

function auditNextStep({ orderId: key, state, isStepPlanned, isChanging, isChangePlanned }: AuditedOrder): Finding | undefined {
  if (isChanging && !isChangePlanned) {
    const message = "nothing is planned that brings its change to an end";
    return { check: "orders.next_step", key, message, figures: { state } };
  }
  if ((state !== "pending" && state !== "scheduled") || isStepPlanned) return undefined;
  const message = `nothing is planned that ${state === "pending" ? "ends" : "begins"} it when its time has come`;
  return { check: "orders.next_step", key, message, figures: { state } };
}

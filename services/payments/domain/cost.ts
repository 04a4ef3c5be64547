// An order that has been changed costs something else than was held for it: less is taken, and the rest of the hold goes by itself.
import { bookRefund } from "./movement.ts";
import { change, type Change, type Payment } from "./payment.ts";

export type CostOutcome =
  | { kind: "noted"; change: Change }
  /** Nothing is held or taken any more, or it costs what is noted. */
  | { kind: "nothing" }
  /** The whole is being taken at this moment. */
  | { kind: "not_yet" }
  | { kind: "above_amount" };

const changeRefundReason = "order changed";

/** What is to be taken when the goods leave. Minor units. */
export const toCapture = ({ cost, amount }: Payment): number => cost ?? amount;

/** The order costs this now. A repeat changes nothing. */
export function costNow(payment: Payment, total: number): CostOutcome {
  if (total > payment.amount) return { kind: "above_amount" };
  switch (payment.state) {
    case "PENDING":
    case "ACTION_REQUIRED":
    case "AUTHORIZED":
      if (toCapture(payment) === total) return { kind: "nothing" };
      if (payment.captureRequested) return { kind: "not_yet" };
      return { kind: "noted", change: change(payment, { cost: total }) };
    case "CAPTURED":
      return giveDifferenceBack(payment, total);
    case "DECLINED":
    case "VOIDED":
    case "REFUNDED":
      return { kind: "nothing" };
  }
}

/** What was taken for the order as it was before. */
function giveDifferenceBack(payment: Payment, total: number): CostOutcome {
  const amount = Math.min(toCapture(payment) - total, payment.captured - payment.refundBooked);
  if (amount <= 0) return { kind: "nothing" };
  const booked = bookRefund(payment, { amount, reason: changeRefundReason });
  if (booked.kind !== "booked") return { kind: "nothing" };
  return { kind: "noted", change: { ...booked.change, payment: { ...booked.change.payment, cost: total } } };
}

/**
 * Goods came back: what they cost goes back, and never more than is left of what was taken. Whatever is left is the lesser where somebody
 * has given money back by hand before. Undefined where nothing is left or wanted.
 */
export function refundReturn(
  payment: Payment,
  { wanted, reason }: { wanted: number; reason: string },
): { change: Change; amount: number } | undefined {
  const amount = Math.min(wanted, payment.captured - payment.refundBooked);
  if (amount <= 0) return undefined;
  const booked = bookRefund(payment, { amount, reason });
  return booked.kind === "booked" ? { change: booked.change, amount } : undefined;
}

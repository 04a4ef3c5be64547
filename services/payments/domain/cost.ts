// The order has come to cost something else, because what it is for was changed.
import { giveBacksDue } from "./backs.ts";
import { hasAllLeft, leftToTake, promisedOf, releaseRest } from "./capture.ts";
import { change, heldOf, type Change, type Payment, type PaymentLine } from "./payment.ts";
import { refundExcess } from "./refund.ts";

export type RepriceOutcome =
  | { kind: "changed"; change: Change }
  /** Nothing is held, and nothing will be. */
  | { kind: "over" }
  /** More than was asked of the provider: that would have to be asked for anew. */
  | { kind: "exceeds"; amount: number };

/**
 * Only less can be taken: the rest goes back with the last capture, and what was taken for what is no longer sent is refunded. What
 * is asked of the provider stays what it was, because the order may come to cost that again. A repeat changes nothing.
 */
export function reprice(payment: Payment, { cost, lines }: { cost: number; lines: PaymentLine[] }): RepriceOutcome {
  if (payment.state === "DECLINED" || payment.state === "VOIDED") return { kind: "over" };
  const most = mostOf(payment);
  if (cost > most) return { kind: "exceeds", amount: most };
  const changed = refundExcess(payment, change(payment, { cost, lines }));
  return { kind: "changed", change: giveBacksDue(releaseRest(takeLast(changed))) };
}

/** The most that the order may cost without another hold. */
function mostOf(payment: Payment): number {
  if (payment.authorized === 0) return payment.amount;
  const isRestGone = payment.voidReason !== null || payment.capturesDue.some(({ isFinal }) => isFinal);
  return payment.captured + (isRestGone ? promisedOf(payment) : heldOf(payment));
}

/** Where all has left that will ever leave, what the order still costs is taken now: no parcel comes that would ask for it. */
function takeLast(before: Change): Change {
  const { payment } = before;
  const amount = Math.min(leftToTake(payment), heldOf(payment) - promisedOf(payment));
  if (amount <= 0 || payment.voidReason || payment.cancelRequested || !hasAllLeft(payment)) return before;
  const capturesDue = [...payment.capturesDue, { amount, isFinal: true }];
  return { ...before, payment: { ...payment, capturesDue }, work: [...before.work, "capture"] };
}

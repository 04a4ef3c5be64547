// Taken money goes back: on a promise, which the provider then keeps.
import { change, type Change, type Payment, type RefusedWork } from "./payment.ts";

/** What was taken and is promised to nobody. */
const remaining = (payment: Payment): number => payment.captured - payment.refundBooked;

export const noRefusal: Pick<Payment, "refusedWork" | "refusedCode"> = { refusedWork: null, refusedCode: null };

export type RefundOutcome =
  | { kind: "booked"; change: Change }
  | { kind: "not_captured" }
  | { kind: "exceeds"; remaining: number };

/** Promises a refund of the amount, or of all that remains. */
export function bookRefund(
  payment: Payment,
  wish: { amount: number | undefined; reason: string; returnId?: string },
): RefundOutcome {
  if (payment.captured === 0) return { kind: "not_captured" };
  const rest = remaining(payment);
  const amount = wish.amount ?? rest;
  if (amount <= 0 || amount > rest) return { kind: "exceeds", remaining: rest };
  const refunds = [{ ...wish, amount }];
  return { kind: "booked", change: change(payment, { refundBooked: payment.refundBooked + amount, ...noRefusal }, { refunds }) };
}

export function refundRest(before: Change, reason: string): Change {
  return refundOf(before, { amount: undefined, reason });
}

/** What is now taken beyond the order's cost, and was not before, goes back; refunds that somebody has wished for are another matter. */
export function refundExcess(before: Payment, after: Change): Change {
  const excessOf = ({ captured, cost }: Payment): number => Math.max(0, captured - cost);
  const excess = excessOf(after.payment) - excessOf(before);
  const amount = Math.min(excess, remaining(after.payment));
  return amount > 0 ? refundOf(after, { amount, reason: "order changed" }) : after;
}

function refundOf(before: Change, wish: { amount: number | undefined; reason: string }): Change {
  const booked = bookRefund(before.payment, wish);
  if (booked.kind !== "booked") return before;
  return { ...before, payment: booked.change.payment, refunds: [...before.refunds, ...booked.change.refunds] };
}

export function refused(payment: Payment, refusedWork: RefusedWork, refusedCode: string): Change {
  return change(payment, { refusedWork, refusedCode });
}

/** The provider will not give a booked refund back: the promise is over, and another may be made. */
export function refuseRefund(payment: Payment, { amount }: { amount: number }, code: string): Change {
  return refused({ ...payment, refundBooked: payment.refundBooked - amount }, "refund", code);
}

/** The provider has given a booked refund back. */
export function concludeRefund(
  payment: Payment,
  refund: { refundId: string; amount: number; createTime: Date },
  reference: string,
): Change {
  const { amount, refundId, createTime } = refund;
  const refunded = payment.refunded + amount;
  return change(
    payment,
    { refunded, state: refunded === payment.captured ? "REFUNDED" : "CAPTURED" },
    {
      movements: [{ type: "REFUND", amount, providerReference: reference, refund: { refundId, createTime } }],
      facts: [{ kind: "refunded", amount, remaining: payment.captured - refunded }],
    },
  );
}

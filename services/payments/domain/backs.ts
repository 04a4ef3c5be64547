// Goods came back: what they cost goes back, and never more than is left of what was taken. Whatever is left is the lesser where somebody
// has given money back by hand before.
import { change, heldOf, type Back, type Change, type Payment } from "./payment.ts";
import { bookRefund } from "./refund.ts";

/** True while money of what has left is held and on its way to us: what is to go back of it is known once it is here. */
const isAwaited = (payment: Payment): boolean => payment.capturesDue.length > 0 && heldOf(payment) > 0;

/** Gives the money of what came back back, or notes that it is to be, once all is taken that is due. */
export function giveBack(payment: Payment, back: Back): Change {
  if (!isAwaited(payment)) return pay(change(payment, {}), back);
  const { returnId, wanted } = back;
  return { ...change(payment, { backsDue: [...payment.backsDue, back] }), backs: [{ returnId, wanted, amount: 0 }] };
}

/** Does what had to wait, where it has to no longer. */
export function giveBacksDue(before: Change): Change {
  const { backsDue } = before.payment;
  if (backsDue.length === 0 || isAwaited(before.payment)) return before;
  return backsDue.reduce(pay, { ...before, payment: { ...before.payment, backsDue: [] } });
}

function pay(before: Change, { returnId, wanted, reason }: Back): Change {
  const amount = Math.min(wanted, before.payment.captured - before.payment.refundBooked);
  const booked = bookRefund(before.payment, { amount, reason, returnId });
  const { backs = [] } = before;
  if (booked.kind !== "booked") return { ...before, backs: [...backs, { returnId, wanted, amount: 0 }] };
  return {
    ...before,
    payment: booked.change.payment,
    refunds: [...before.refunds, ...booked.change.refunds],
    backs: [...backs, { returnId, wanted, amount }],
  };
}

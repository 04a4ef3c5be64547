// Goods came back: what they cost goes back, and never more than is left of what was taken. Whatever is left is the lesser where somebody
// has given money back by hand before.
import { leftToTake } from "./capture.ts";
import { change, heldOf, type Back, type Change, type Payment } from "./payment.ts";
import { bookRefund } from "./refund.ts";

/**
 * True while money for it is held and will be taken: for what has left at once, and with the parcels that have yet to leave what the
 * order costs beside its prices, such as tax. A return has one refund, so it waits for all of it.
 */
function isAwaited(payment: Payment, { wanted }: Pick<Back, "wanted">): boolean {
  if (heldOf(payment) === 0) return false;
  if (payment.capturesDue.length > 0) return true;
  const isShort = wanted > payment.captured - payment.refundBooked;
  return isShort && leftToTake(payment) > 0 && !payment.voidReason && !payment.cancelRequested;
}

/** Gives the money of what came back back, or notes that it is to be, once it is taken. */
export function giveBack(payment: Payment, back: Back): Change {
  if (!isAwaited(payment, back)) return pay(change(payment, {}), back);
  const { returnId, wanted } = back;
  return { ...change(payment, { backsDue: [...payment.backsDue, back] }), backs: [{ returnId, wanted, amount: 0 }] };
}

/** Does what had to wait, where it has to no longer. */
export function giveBacksDue(before: Change): Change {
  const { backsDue } = before.payment;
  if (backsDue.length === 0) return before;
  const start: Change = { ...before, payment: { ...before.payment, backsDue: [] } };
  return backsDue.reduce((after, back) => (isAwaited(after.payment, back) ? stillDue(after, back) : pay(after, back)), start);
}

function stillDue(before: Change, back: Back): Change {
  return { ...before, payment: { ...before.payment, backsDue: [...before.payment.backsDue, back] } };
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

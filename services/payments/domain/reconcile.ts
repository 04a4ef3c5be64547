// What the provider has done that we did not ask for: a hold that lapsed, or money moved in the provider's own pages.
import { giveBacksDue } from "./backs.ts";
import { needsCapture } from "./capture.ts";
import { isUndoing } from "./movement.ts";
import { change, heldOf, type Change, type Payment } from "./payment.ts";

/** What the provider's books say of a hold, in whole minor units. */
export interface ProviderSums {
  currencyCode: string;
  authorized: number;
  voided: number;
  captured: number;
  refunded: number;
}

/** Of a refund that nobody asked us for. */
const outsideReason = "refunded at the provider";

/** True where nothing of ours is under way at the provider, so that a difference is none of our doing. */
export function rests(payment: Payment): boolean {
  const isUndecided = payment.state === "PENDING" || payment.state === "ACTION_REQUIRED";
  return payment.providerReference !== null && !isUndecided && !needsCapture(payment) && !isUndoing(payment);
}

/**
 * Books what has happened at the provider. Undefined where there is nothing that we can book: our books agree, or they have
 * something that the provider's have not, which is for the audit to tell.
 */
export function reconcile(payment: Payment, sums: ProviderSums): Change | undefined {
  if (!rests(payment) || sums.currencyCode !== payment.currencyCode) return undefined;
  const moved = bookMoved(payment, sums);
  const before = moved ?? change(payment, {});
  const back = sums.refunded - before.payment.refunded;
  if (before.payment.state !== "CAPTURED" || back <= 0) return moved;
  return bookRefunded(before, back);
}

/** Somebody took held money, or gave it back; or the bank has let the hold lapse, wholly or what was left of it. */
function bookMoved(payment: Payment, sums: ProviderSums): Change | undefined {
  const [taken, released] = [sums.captured - payment.captured, sums.voided - payment.voided];
  const hasMoved = taken >= 0 && released >= 0 && taken + released > 0 && taken + released <= heldOf(payment);
  // Of a hold of which nothing is taken all goes back, or nothing does.
  if (!hasMoved || (sums.captured === 0 && released < payment.authorized)) return undefined;
  const state = sums.captured > 0 ? "CAPTURED" : "VOIDED";
  const amounts = [
    { type: "CAPTURE" as const, amount: taken },
    { type: "VOID" as const, amount: released },
  ];
  const facts = [
    ...(taken > 0 ? [{ kind: "captured" as const, amount: taken }] : []),
    ...(state === "VOIDED" ? [{ kind: "voided" as const, amount: released }] : []),
  ];
  const movements = amounts
    .filter(({ amount }) => amount > 0)
    .map((movement) => ({ ...movement, providerReference: payment.providerReference ?? "" }));
  const captured = sums.captured;
  // A payment that was refunded whole stays so where only its rest was let go.
  const stays = taken === 0 && state === "CAPTURED" ? payment.state : state;
  return giveBacksDue(change(payment, { state: stays, captured, voided: sums.voided }, { movements, facts }));
}

function bookRefunded(before: Change, amount: number): Change {
  const { payment } = before;
  const refunded = payment.refunded + amount;
  if (refunded > payment.captured) return before;
  const fields = { refunded, refundBooked: payment.refundBooked + amount };
  const state = refunded === payment.captured ? "REFUNDED" : "CAPTURED";
  const after = change(
    payment,
    { ...fields, state },
    { facts: [{ kind: "refunded", amount, remaining: payment.captured - refunded }] },
  );
  const done = { amount, reason: outsideReason, doneReference: payment.providerReference ?? "" };
  return {
    ...after,
    movements: before.movements,
    facts: [...before.facts, ...after.facts],
    refunds: [...before.refunds, done],
    ...(before.backs && { backs: before.backs }),
  };
}

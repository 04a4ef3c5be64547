// What the provider has done that we did not ask for: a hold that lapsed, or money moved in the provider's own pages.
import { isUndoing, needsCapture } from "./movement.ts";
import { change, type Change, type Payment } from "./payment.ts";

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
  if (payment.state === "AUTHORIZED" && sums.captured === 0 && sums.voided === payment.authorized) return bookLapse(payment);
  const taken = payment.state === "AUTHORIZED" && sums.captured > 0 ? bookCapture(payment, sums.captured) : undefined;
  const before = taken ?? change(payment, {});
  const back = sums.refunded - before.payment.refunded;
  if (before.payment.state !== "CAPTURED" || back <= 0) return taken;
  return bookRefunded(before, back);
}

/** The bank has let the hold lapse, or somebody gave it back. */
function bookLapse(payment: Payment): Change {
  const { authorized: amount, providerReference } = payment;
  return change(
    payment,
    { state: "VOIDED", voided: amount },
    { movements: [{ type: "VOID", amount, providerReference: providerReference ?? "" }], facts: [{ kind: "voided", amount }] },
  );
}

function bookCapture(payment: Payment, amount: number): Change {
  return change(
    payment,
    { state: "CAPTURED", captured: amount },
    {
      movements: [{ type: "CAPTURE", amount, providerReference: payment.providerReference ?? "" }],
      facts: [{ kind: "captured", amount }],
    },
  );
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
  };
}

// What becomes of held money: taken when the goods leave, given back when the order ends before.
import { change, type Change, type Payment, type RefusedWork, type Work } from "./payment.ts";

const cancelRefundReason = "order cancelled";

/** What was taken and is promised to nobody. */
const remaining = (payment: Payment): number => payment.captured - payment.refundBooked;

const noRefusal: Pick<Payment, "refusedWork" | "refusedCode"> = { refusedWork: null, refusedCode: null };

/** The order has ended. What the provider had refused before is asked for again. */
export function cancel(payment: Payment, reason: string = cancelRefundReason): Change {
  switch (payment.state) {
    case "PENDING":
      // The authorisation may be on its way, so it is left to run; whoever brings its answer sees this.
      return change(payment, { cancelRequested: true });
    case "ACTION_REQUIRED":
      return change(payment, { cancelRequested: true }, { work: payment.cancelRequested ? [] : ["close"] });
    case "AUTHORIZED":
      // A capture that was ordered may have happened already: it is let through, and refunded.
      if (needsCapture(payment) || needsVoid(payment)) return change(payment, { cancelRequested: true });
      return giveHoldBack(payment);
    case "CAPTURED":
      return refundRest(change(payment, { cancelRequested: true }), reason);
    case "DECLINED":
      if (payment.refusedWork !== "void") return change(payment, { cancelRequested: true });
      return change(payment, { cancelRequested: true, ...noRefusal }, { work: ["void"] });
    case "VOIDED":
    case "REFUNDED":
      return change(payment, { cancelRequested: true });
  }
}

/** Nothing was taken: a capture was not ordered, or refused. */
function giveHoldBack(payment: Payment): Change {
  const voidReason = payment.voidReason ?? "CANCELLED";
  const fields: Partial<Payment> = { cancelRequested: true, captureRequested: false, voidReason, ...noRefusal };
  return change(payment, fields, { work: ["void"] });
}

/**
 * Gives the money back on somebody's wish, as a cancellation does. Undefined where that is done or under way, so that
 * a repeat changes nothing.
 */
export function undo(payment: Payment, reason: string): Change | undefined {
  const isOver = payment.state === "VOIDED" || payment.state === "REFUNDED";
  const isLeft = payment.state === "DECLINED" && payment.refusedWork !== "void";
  if (isOver || isLeft) return undefined;
  const decided = cancel(payment, reason);
  const asksForMore = decided.work.length > 0 || decided.refunds.length > 0;
  if (payment.cancelRequested && !asksForMore) return undefined;
  return { ...decided, payment: { ...decided.payment, undoReason: payment.undoReason ?? reason } };
}

/** True where money is on its way back, or will be as soon as it is known what is held. */
export function isUndoing(payment: Payment): boolean {
  if (payment.refundBooked > payment.refunded || needsVoid(payment)) return true;
  const isUnderWay = payment.state === "PENDING" || payment.state === "ACTION_REQUIRED" || needsCapture(payment);
  return payment.cancelRequested && isUnderWay;
}

/** What must be planned for a payment so that it does not stand still for ever; undefined where it may rest. */
export function neededWork(payment: Payment): Work | undefined {
  if (payment.state === "PENDING") return "authorize";
  if (payment.state === "ACTION_REQUIRED") return "close";
  if (needsCapture(payment)) return "capture";
  if (needsVoid(payment)) return "void";
  return undefined;
}

export type DispatchOutcome = { kind: "capture"; change: Change } | { kind: "done_before" | "not_yet" | "not_authorized" };

/** The goods have left, so the money is due. */
export function dispatch(payment: Payment): DispatchOutcome {
  switch (payment.state) {
    case "PENDING":
    case "ACTION_REQUIRED":
      return { kind: payment.cancelRequested ? "not_authorized" : "not_yet" };
    case "AUTHORIZED":
      if (payment.voidReason) return { kind: "not_authorized" };
      if (payment.captureRequested) return { kind: "done_before" };
      return { kind: "capture", change: change(payment, { captureRequested: true }, { work: ["capture"] }) };
    case "CAPTURED":
    case "REFUNDED":
      return { kind: "done_before" };
    case "DECLINED":
    case "VOIDED":
      return { kind: "not_authorized" };
  }
}

export function needsCapture(payment: Payment): boolean {
  return payment.state === "AUTHORIZED" && payment.captureRequested && payment.refusedWork !== "capture";
}

export function concludeCapture(payment: Payment, reference: string): Change {
  if (!needsCapture(payment)) return change(payment, {});
  const amount = payment.cost ?? payment.amount;
  const taken = change(
    payment,
    { state: "CAPTURED", captured: amount },
    { movements: [{ type: "CAPTURE", amount, providerReference: reference }], facts: [{ kind: "captured", amount }] },
  );
  return payment.cancelRequested ? refundRest(taken, payment.undoReason ?? cancelRefundReason) : taken;
}

/** The provider will not, now or later. Nothing was taken, so an order that has ended meanwhile gets its hold back. */
export function refuseCapture(payment: Payment, code: string): Change {
  if (!needsCapture(payment)) return change(payment, {});
  return payment.cancelRequested ? giveHoldBack(payment) : refused(payment, "capture", code);
}

export function refuseVoid(payment: Payment, code: string): Change {
  return needsVoid(payment) ? refused(payment, "void", code) : change(payment, {});
}

function refused(payment: Payment, refusedWork: RefusedWork, refusedCode: string): Change {
  return change(payment, { refusedWork, refusedCode });
}

export function needsVoid(payment: Payment): boolean {
  if (payment.authorized === 0 || payment.voided > 0 || payment.refusedWork === "void") return false;
  return payment.state === "DECLINED" || payment.voidReason !== null;
}

export function concludeVoid(payment: Payment, reference: string): Change {
  if (!needsVoid(payment)) return change(payment, {});
  const amount = payment.authorized;
  const movements = [{ type: "VOID" as const, amount, providerReference: reference }];
  // It was told as declined already; the books now say so too.
  if (payment.state === "DECLINED") return change(payment, { voided: amount }, { movements });
  if (payment.voidReason === "DEADLINE") {
    // Told only now, because a declined payment holds nothing.
    const code = "deadline_exceeded";
    const fields: Partial<Payment> = { state: "DECLINED", declineCode: code, voided: amount };
    return change(payment, fields, { movements, facts: [{ kind: "declined", code }] });
  }
  return change(payment, { state: "VOIDED", voided: amount }, { movements, facts: [{ kind: "voided", amount }] });
}

export type RefundOutcome =
  | { kind: "booked"; change: Change }
  | { kind: "not_captured" }
  | { kind: "exceeds"; remaining: number };

/** Promises a refund of the amount, or of all that remains. */
export function bookRefund(payment: Payment, wish: { amount: number | undefined; reason: string }): RefundOutcome {
  if (payment.captured === 0) return { kind: "not_captured" };
  const rest = remaining(payment);
  const amount = wish.amount ?? rest;
  if (amount <= 0 || amount > rest) return { kind: "exceeds", remaining: rest };
  const refunds = [{ amount, reason: wish.reason }];
  return { kind: "booked", change: change(payment, { refundBooked: payment.refundBooked + amount, ...noRefusal }, { refunds }) };
}

function refundRest(before: Change, reason: string): Change {
  const booked = bookRefund(before.payment, { amount: undefined, reason });
  if (booked.kind !== "booked") return before;
  return { ...before, payment: booked.change.payment, refunds: [...before.refunds, ...booked.change.refunds] };
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

// What becomes of held money where the order ends: it is given back, and so is what was taken.
import { giveBacksDue } from "./backs.ts";
import { concludeCapture as take, needsCapture } from "./capture.ts";
import { change, heldOf, type Change, type Payment, type Work } from "./payment.ts";
import { noRefusal, refundRest, refused } from "./refund.ts";

const cancelRefundReason = "order cancelled";

/** The order has ended. What the provider had refused before is asked for again. */
export function cancel(payment: Payment, reason: string = cancelRefundReason): Change {
  switch (payment.state) {
    case "PENDING":
      // The authorisation may be on its way, so it is left to run; whoever brings its answer sees this.
      return change(payment, { cancelRequested: true });
    case "ACTION_REQUIRED":
      return change(payment, { cancelRequested: true }, { work: payment.cancelRequested ? [] : ["close"] });
    case "AUTHORIZED":
    case "CAPTURED":
    case "REFUNDED":
      return refundRest(giveBacksDue(giveHoldBack(payment)), reason);
    case "DECLINED":
      if (payment.refusedWork !== "void") return change(payment, { cancelRequested: true });
      return change(payment, { cancelRequested: true, ...noRefusal }, { work: ["void"] });
    case "VOIDED":
      return change(payment, { cancelRequested: true });
  }
}

function giveHoldBack(payment: Payment): Change {
  // A capture that was ordered may have happened already: it is let through and refunded, and those behind it are not asked for.
  if (needsCapture(payment)) return change(payment, { cancelRequested: true, capturesDue: payment.capturesDue.slice(0, 1) });
  if (heldOf(payment) === 0 || needsVoid(payment)) return change(payment, { cancelRequested: true });
  const voidReason = payment.voidReason ?? "CANCELLED";
  return change(payment, { cancelRequested: true, capturesDue: [], voidReason, ...noRefusal }, { work: ["void"] });
}

/** The provider has taken what was due. Of an order that has ended meanwhile all goes back. */
export function concludeCapture(payment: Payment, answer: { position: number; reference: string }): Change {
  const taken = giveBacksDue(take(payment, answer));
  if (!payment.cancelRequested || taken.movements.length === 0) return taken;
  const back = cancel(taken.payment, payment.undoReason ?? cancelRefundReason);
  const work = [...new Set([...taken.work, ...back.work])];
  const backs = [...(taken.backs ?? []), ...(back.backs ?? [])];
  return { ...taken, payment: back.payment, work, refunds: [...taken.refunds, ...back.refunds], backs };
}

/** The provider will not, now or later. Nothing was taken, so an order that has ended meanwhile gets its hold back. */
export function refuseCapture(payment: Payment, code: string): Change {
  if (!needsCapture(payment)) return change(payment, {});
  const stopped = refused(payment, "capture", code);
  return payment.cancelRequested ? cancel(stopped.payment, payment.undoReason ?? cancelRefundReason) : stopped;
}

/**
 * Gives the money back on somebody's wish, as a cancellation does. Undefined where that is done or under way, so that
 * a repeat changes nothing.
 */
export function undo(payment: Payment, reason: string): Change | undefined {
  const isOver = payment.state === "VOIDED" || (payment.state === "REFUNDED" && heldOf(payment) === 0);
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

export function refuseVoid(payment: Payment, code: string): Change {
  return needsVoid(payment) ? refused(payment, "void", code) : change(payment, {});
}

export function needsVoid(payment: Payment): boolean {
  if (heldOf(payment) === 0 || payment.capturesDue.length > 0 || payment.refusedWork === "void") return false;
  return payment.state === "DECLINED" || payment.voidReason !== null;
}

export function concludeVoid(payment: Payment, reference: string): Change {
  if (!needsVoid(payment)) return change(payment, {});
  const amount = heldOf(payment);
  const voided = payment.voided + amount;
  const movements = [{ type: "VOID" as const, amount, providerReference: reference }];
  // It was told as declined already; the books now say so too.
  if (payment.state === "DECLINED") return change(payment, { voided }, { movements });
  if (payment.voidReason === "DEADLINE") {
    // Told only now, because a declined payment holds nothing.
    const code = "deadline_exceeded";
    const fields: Partial<Payment> = { state: "DECLINED", declineCode: code, voided };
    return change(payment, fields, { movements, facts: [{ kind: "declined", code }] });
  }
  // A part was taken, and stays as it was told.
  if (payment.captured > 0) return change(payment, { voided }, { movements });
  return change(payment, { state: "VOIDED", voided }, { movements, facts: [{ kind: "voided", amount }] });
}

// What must be true of a payment in its own books and in the provider's, and what to say where it is not.
import { needsCapture } from "./capture.ts";
import { neededWork, needsVoid } from "./movement.ts";
import { heldOf, type Payment, type Work } from "./payment.ts";

/** Sums over the movements of one payment, in whole minor units. */
export interface Sums {
  authorized: number;
  voided: number;
  captured: number;
  refunded: number;
}

/** A payment and all that its own books say about it, read at one moment. */
export interface AuditedPayment {
  payment: Payment;
  /** Sums of the ledger. */
  ledger: Sums;
  /** Refunds that are promised and not yet given back, and those that were given back. */
  refundsDue: number;
  refundsDone: number;
  /** Due refunds for which no work is planned. */
  refundsForgotten: number;
  /** What was booked for returns, and what their refunds come to. */
  returnsBooked: number;
  returnRefunds: number;
  /** What is planned. */
  planned: readonly (Work | "refund")[];
}

export interface Finding {
  check: "money.ledger" | "money.provider" | "money.bounds" | "money.next_step" | "money.refused" | "money.returns";
  /** The order; the provider's reference where no order is known. */
  key: string;
  message: string;
  figures: Record<string, string | number>;
}

const sumNames = ["authorized", "voided", "captured", "refunded"] as const;

/** The figures of both sides, where one differs. */
function differences(ours: Sums, theirs: Sums, theirName: string): Record<string, number> | undefined {
  const differing = sumNames.filter((name) => ours[name] !== theirs[name]);
  if (differing.length === 0) return undefined;
  return Object.fromEntries(
    differing.flatMap((name) => [
      [`payment_${name}`, ours[name]],
      [`${theirName}_${name}`, theirs[name]],
    ]),
  );
}

/** All that a payment's own books can show. */
export function auditBooks(audited: AuditedPayment): Finding[] {
  return [
    ...auditLedger(audited),
    ...auditBounds(audited),
    ...auditNextStep(audited),
    ...auditRefusal(audited),
    ...auditReturns(audited),
  ];
}

function auditLedger({ payment, ledger, refundsDue, refundsDone }: AuditedPayment): Finding[] {
  const key = payment.orderId;
  const sums = differences(payment, ledger, "ledger");
  const findings: Finding[] = [];
  if (sums)
    findings.push({ check: "money.ledger", key, message: "the payment's sums are not those of its ledger", figures: sums });
  if (payment.refundBooked !== refundsDue + refundsDone || payment.refunded !== refundsDone) {
    const { refundBooked, refunded } = payment;
    const figures = { refund_booked: refundBooked, refunded, refunds_due: refundsDue, refunds_done: refundsDone };
    findings.push({ check: "money.ledger", key, message: "the payment's refunds are not those that were booked", figures });
  }
  return findings;
}

function auditBounds({ payment }: AuditedPayment): Finding[] {
  const { amount, authorized, voided, captured, refundBooked, refunded } = payment;
  const isWithin =
    refunded >= 0 &&
    refunded <= refundBooked &&
    refundBooked <= captured &&
    captured <= amount &&
    authorized <= amount &&
    captured + voided <= authorized;
  if (isWithin) return [];
  const figures = { amount, authorized, voided, captured, refund_booked: refundBooked, refunded };
  const message = "more was given back than taken, or taken than may be";
  return [{ check: "money.bounds", key: payment.orderId, message, figures }];
}

function auditNextStep({ payment, planned, refundsForgotten }: AuditedPayment): Finding[] {
  const needed = neededWork(payment);
  const state = payment.state;
  const finding = (message: string, figures: Finding["figures"]): Finding => ({
    check: "money.next_step",
    key: payment.orderId,
    message,
    figures: { state, ...figures },
  });
  const findings: Finding[] = [];
  if (needed && !planned.includes(needed)) {
    findings.push(finding(`nothing is planned that would ${needed}`, { needed, planned: planned.join(",") }));
  }
  if (refundsForgotten > 0)
    findings.push(finding("a refund is due and nothing is planned for it", { refunds: refundsForgotten }));
  if (isForgottenCancellation(payment)) {
    findings.push(finding("the order has ended and its money is not on its way back", { captured: payment.captured }));
  }
  return findings;
}

function isForgottenCancellation(payment: Payment): boolean {
  if (!payment.cancelRequested || payment.refusedWork) return false;
  if (needsCapture(payment)) return false;
  return payment.refundBooked < payment.captured || (heldOf(payment) > 0 && !needsVoid(payment));
}

function auditRefusal({ payment }: AuditedPayment): Finding[] {
  const { refusedWork: work, refusedCode: code } = payment;
  if (!work || !code) return [];
  const message = `the provider refuses to ${work}; somebody must act`;
  return [{ check: "money.refused", key: payment.orderId, message, figures: { work, code, state: payment.state } }];
}

/** The database lets a return have one refund at most. */
function auditReturns({ payment, returnsBooked, returnRefunds }: AuditedPayment): Finding[] {
  if (returnsBooked === returnRefunds) return [];
  const figures = { booked: returnsBooked, refunds: returnRefunds };
  const message = "what was booked for returns is not what their refunds give back";
  return [{ check: "money.returns", key: payment.orderId, message, figures }];
}

/** True where the provider may be ahead of us or behind: nothing can be said about its books at this moment. */
export const isMoving = ({ planned }: AuditedPayment): boolean => planned.length > 0;

/** Compares a payment that rests with what the provider says of its hold. */
export function auditStatement(payment: Payment, statement: (Sums & { currencyCode: string }) | undefined): Finding | undefined {
  const { orderId: key, providerReference, currencyCode } = payment;
  const figuresOf = (figures: Finding["figures"]) => ({ reference: providerReference ?? "", ...figures });
  if (!providerReference) return undefined;
  if (!statement) {
    return { check: "money.provider", key, message: "the provider does not know this hold", figures: figuresOf({}) };
  }
  if (statement.currencyCode !== currencyCode) {
    const figures = figuresOf({ payment_currency: currencyCode, provider_currency: statement.currencyCode });
    return { check: "money.provider", key, message: "the provider holds another currency", figures };
  }
  const sums = differences(payment, statement, "provider");
  if (!sums) return undefined;
  return { check: "money.provider", key, message: "the payment's sums are not the provider's", figures: figuresOf(sums) };
}

/** Looks whether a charge of the provider's belongs to a payment, which was read after the charge. */
export function auditCharge(
  charge: { reference: string; currencyCode: string; authorized: number },
  audited: AuditedPayment | undefined,
): Finding | undefined {
  const figures = { reference: charge.reference, currency: charge.currencyCode, authorized: charge.authorized };
  if (!audited) {
    return { check: "money.provider", key: charge.reference, message: "no payment is known for this charge", figures };
  }
  const { payment } = audited;
  if (payment.providerReference === charge.reference) return undefined;
  // Its answer is on its way to us, or will be looked for.
  if (payment.providerReference === null && isMoving(audited)) return undefined;
  const known = { ...figures, payment_reference: payment.providerReference ?? "" };
  return {
    check: "money.provider",
    key: payment.orderId,
    message: "the payment does not know this charge of its own",
    figures: known,
  };
}

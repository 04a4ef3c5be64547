// A payment that waits for its buyer to prove who it is, as with EMV 3-D Secure, and the ways out of that.
import { authorize, authorizeKey, isLate } from "./authorization.ts";
import { change, voidKey, type Change, type Payment } from "./payment.ts";

/** What to look for at the provider. */
export interface ActionLook {
  authorizeKey: string;
  voidKey: string;
  reference: string;
  /** True where nobody waits for the buyer any more, so that the provider is told to give up. */
  isOver: boolean;
}

/** What came of it at the provider. */
export type ActionOutcome =
  | { kind: "authorized"; reference: string }
  /** The provider holds nothing under the reference and never will, by our wish or its own. */
  | { kind: "closed"; wasHeld: boolean; code: string | undefined };

/** Undefined where the payment waits for no buyer. */
export function lookForAction(payment: Payment | undefined, now: Date): ActionLook | undefined {
  if (payment?.state !== "ACTION_REQUIRED") return undefined;
  const reference = payment.providerReference ?? "";
  const isOver = payment.cancelRequested || isLate(payment, now);
  return { authorizeKey: authorizeKey(payment), voidKey: voidKey(payment), reference, isOver };
}

/** The provider's word: it holds the money, or it never will. */
export function concludeAction(payment: Payment, outcome: ActionOutcome, now: Date): Change {
  if (payment.state !== "ACTION_REQUIRED") return change(payment, {});
  const concluded = outcome.kind === "authorized" ? authorize(payment, outcome.reference, now) : concludeClosed(payment, outcome);
  return { ...concluded, needless: "close" };
}

function concludeClosed(payment: Payment, { wasHeld, code }: Extract<ActionOutcome, { kind: "closed" }>): Change {
  const { amount, providerReference } = payment;
  const over: Partial<Payment> = { action: null, ...(wasHeld ? { authorized: amount, voided: amount } : {}) };
  const types = wasHeld ? (["AUTHORIZATION", "VOID"] as const) : [];
  const movements = types.map((type) => ({ type, amount, providerReference: providerReference ?? "" }));
  if (payment.cancelRequested) {
    // As where the provider was never asked: of what was not held nobody needs to hear.
    const facts = wasHeld ? [{ kind: "voided" as const, amount }] : [];
    return change(payment, { ...over, state: "VOIDED" }, { movements, facts });
  }
  const declineCode = code ?? "deadline_exceeded";
  const facts = [{ kind: "declined" as const, code: declineCode }];
  return change(payment, { ...over, state: "DECLINED", declineCode }, { movements, facts });
}

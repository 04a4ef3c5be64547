// From "the order may be paid" to "the money is held", with the turns between: refusals, deadlines, no answer at all.
import { change, type BuyerAction, type Change, type Payment } from "./payment.ts";

/** How often the provider is asked to authorise before an answer that does not come counts as a refusal. */
export const authorizeAttemptsMax = 4;

/** A call under way may still reach the provider; nothing found is believed only so long after the last one. */
export const settleQuietMs = 10 * 60_000;

/** Banks let a hold lapse that is not captured, at the latest after 30 days. */
export const holdLapsesMs = 30 * 86_400_000;

export type AuthorizationAnswer =
  | { kind: "authorized"; reference: string }
  | { kind: "declined"; code: string }
  /** Nothing is held before the buyer has acted. */
  | { kind: "action_required"; reference: string; action: BuyerAction }
  /** The provider was never asked, and need not be. */
  | { kind: "not_asked" }
  /** The provider was asked, and what it did is not known. */
  | { kind: "unknown" };

const authorizeSuffix = ":authorize";

/** The key under which the provider is asked to authorise, always the same one. */
export const authorizeKey = ({ paymentId }: Pick<Payment, "paymentId">): string => `${paymentId}${authorizeSuffix}`;

/** The payment that such a key is of; undefined where it is no key of ours. */
export const paymentIdOfKey = (key: string): string | undefined =>
  key.endsWith(authorizeSuffix) ? key.slice(0, -authorizeSuffix.length) : undefined;

export const isLate = (payment: Payment, now: Date): boolean => now.getTime() > payment.deadline.getTime();

export type AuthorizationPlan = "nothing" | "leave" | "look" | "ask";

/**
 * What to do about a payment whose authorisation is due. Once the order is cancelled or the deadline has passed the
 * provider is asked no more; where it may have been asked before, it is asked what came of that.
 */
export function planAuthorization(payment: Payment, now: Date): AuthorizationPlan {
  if (payment.state !== "PENDING") return "nothing";
  if (!payment.cancelRequested && !isLate(payment, now)) return "ask";
  return payment.askTime ? "look" : "leave";
}

export function concludeAuthorization(payment: Payment, answer: AuthorizationAnswer, now: Date): Change {
  if (payment.state !== "PENDING") return change(payment, {});
  switch (answer.kind) {
    case "authorized":
      return authorize(payment, answer.reference, now);
    case "declined":
      return decline(payment, answer.code);
    case "action_required":
      return requireAction(payment, answer);
    case "not_asked":
      if (payment.askTime) return giveUp(payment, now);
      // Nothing was held, so there is nothing to tell of giving it back.
      if (payment.cancelRequested) return change(payment, { state: "VOIDED", paymentToken: null });
      return decline(payment, "deadline_exceeded");
    case "unknown":
      return giveUp(payment, now);
  }
}

export function authorize(payment: Payment, reference: string, now: Date): Change {
  const held: Partial<Payment> = {
    state: "AUTHORIZED",
    action: null,
    authorized: payment.amount,
    providerReference: reference,
    paymentToken: null,
  };
  const movements = [{ type: "AUTHORIZATION" as const, amount: payment.amount, providerReference: reference }];
  // The good news came too late: it is booked, told to nobody, and undone.
  if (payment.cancelRequested) return change(payment, { ...held, voidReason: "CANCELLED" }, { movements, work: ["void"] });
  if (isLate(payment, now)) return change(payment, { ...held, voidReason: "DEADLINE" }, { movements, work: ["void"] });
  return change(payment, held, { movements, facts: [{ kind: "authorized", amount: payment.amount }] });
}

/** Told to nobody where the order is cancelled: it will never be done. Either way there is work planned that ends it. */
function requireAction(payment: Payment, { reference, action }: { reference: string; action: BuyerAction }): Change {
  const fields: Partial<Payment> = { state: "ACTION_REQUIRED", providerReference: reference, action, paymentToken: null };
  return change(payment, fields, { work: ["close"], facts: payment.cancelRequested ? [] : [{ kind: "action_required" }] });
}

function decline(payment: Payment, code: string): Change {
  return change(payment, { state: "DECLINED", declineCode: code, paymentToken: null }, { facts: [{ kind: "declined", code }] });
}

/** The order cannot wait for a provider that is away. Whatever it may have held is looked for, and given back. */
function giveUp(payment: Payment, now: Date): Change {
  const declined = decline(payment, isLate(payment, now) ? "deadline_exceeded" : "provider_unavailable");
  return { ...declined, work: ["settle"] };
}

/** True where an authorisation of unknown outcome may still turn up. */
export function needsSettling(payment: Payment): boolean {
  return payment.state === "DECLINED" && payment.authorized === 0 && payment.askTime !== null;
}

/** True where no hold can be left, whether or not the provider ever answers. */
export function hasLapsed(payment: Payment, now: Date): boolean {
  return payment.askTime !== null && now.getTime() - payment.askTime.getTime() > holdLapsesMs;
}

/** True where "nothing is known of it" is the provider's last word. */
export function isQuiet(payment: Payment, now: Date): boolean {
  return payment.askTime === null || now.getTime() - payment.askTime.getTime() > settleQuietMs;
}

/** An authorisation that was found after the payment had been declined is booked and given back. */
export function settle(payment: Payment, found: AuthorizationAnswer): Change {
  if (!needsSettling(payment) || found.kind !== "authorized") return change(payment, {});
  return change(
    payment,
    { authorized: payment.amount, providerReference: found.reference },
    {
      movements: [{ type: "AUTHORIZATION", amount: payment.amount, providerReference: found.reference }],
      work: ["void"],
    },
  );
}

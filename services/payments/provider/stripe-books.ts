// What Stripe's books say of intents.
import type Stripe from "stripe";
import type { BuyerAction } from "../domain/payment.ts";
import { ProviderUnavailable, type AuthorizationResult, type ChargePage, type Statement } from "./contract.ts";
import { declineCode, refusalOf } from "./stripe-errors.ts";

/** Name of the metadata under which intents and refunds carry our key. */
export const keyName = "ordermesh_key";

/** Stripe lets an account ask some 100 times a second; others ask as well. */
const inFlightMax = 5;
/** Of Stripe's lists. */
const pageMax = 100;

export async function readStripeStatement(stripe: Stripe, references: readonly string[]): Promise<Map<string, Statement>> {
  const found = new Map<string, Statement>();
  const left = [...references];
  const reader = async (): Promise<void> => {
    for (let reference = left.pop(); reference !== undefined; reference = left.pop()) {
      const intent = await readIntent(stripe, reference);
      if (intent) found.set(reference, statementOf(intent));
    }
  };
  await Promise.all(Array.from({ length: inFlightMax }, reader));
  return found;
}

export async function readIntent(stripe: Stripe, reference: string): Promise<Stripe.PaymentIntent | undefined> {
  try {
    return await stripe.paymentIntents.retrieve(reference, { expand: ["latest_charge"] });
  } catch (error) {
    if (refusalOf(error) === "invalid_token") return undefined;
    throw error;
  }
}

const heldCharge = ({ latest_charge: charge }: Stripe.PaymentIntent): Stripe.Charge | undefined =>
  charge !== null && typeof charge === "object" && charge.status === "succeeded" ? charge : undefined;

/**
 * What came of the hold. An intent whose buyer has failed could be tried again with
 * another card, by whoever has its secret. See https://docs.stripe.com/payments/paymentintents/lifecycle.
 */
export function outcomeOf(intent: Stripe.PaymentIntent): AuthorizationResult {
  const { id: reference, status } = intent;
  switch (status) {
    case "requires_capture":
    case "succeeded":
      return { kind: "authorized", reference };
    case "requires_action":
    case "requires_confirmation":
    // The buyer is done, and the bank is not yet.
    case "processing":
      return { kind: "action_required", reference, action: actionOf(intent) };
    case "requires_payment_method":
      return { kind: "declined", code: failureOf(intent) };
    case "canceled":
      return heldCharge(intent) ? { kind: "authorized", reference } : { kind: "declined", code: "canceled" };
    default:
      throw new ProviderUnavailable(`a payment intent is ${status}`);
  }
}

const actionOf = ({ client_secret: clientSecret, next_action: next }: Stripe.PaymentIntent): BuyerAction => ({
  clientSecret: clientSecret ?? "",
  redirectUrl: next?.redirect_to_url?.url ?? "",
});

function failureOf({ last_payment_error: error }: Stripe.PaymentIntent): string {
  const code = declineCode(error ?? {});
  return code === "payment_intent_authentication_failure" ? "authentication_failed" : code;
}

function statementOf(intent: Stripe.PaymentIntent): Statement {
  const charge = heldCharge(intent);
  const captured = intent.amount_received;
  return {
    currencyCode: intent.currency.toUpperCase(),
    authorized: charge ? intent.amount : 0,
    // What a capture left of the hold is given back with it.
    voided: charge && ["canceled", "succeeded"].includes(intent.status) ? intent.amount - captured : 0,
    captured,
    // A hold that is given back counts as refunded there, though nothing was taken.
    refunded: captured > 0 ? (charge?.amount_refunded ?? 0) : 0,
  };
}

export async function listStripeCharges(
  stripe: Stripe,
  { since, after, rowsMax }: { since: Date; after: string | undefined; rowsMax: number },
): Promise<ChargePage> {
  const page = await stripe.paymentIntents.list({
    created: { gte: Math.floor(since.getTime() / 1_000) },
    limit: Math.min(rowsMax, pageMax),
    expand: ["data.latest_charge"],
    ...(after === undefined ? {} : { starting_after: after }),
  });
  const charges = page.data.filter(heldCharge).map((intent) => ({
    reference: intent.id,
    idempotencyKey: intent.metadata[keyName] ?? "",
    currencyCode: intent.currency.toUpperCase(),
    authorized: intent.amount,
  }));
  return { charges, nextAfter: page.has_more ? page.data.at(-1)?.id : undefined };
}

// Stripe by its own SDK: a hold is a PaymentIntent that is captured by hand. Its reference is the intent's id.
//
// Keys live at Stripe for a day, so every intent and refund carries its key in its metadata too. Intents cannot be looked for by
// metadata without delay, but charges can by their transfer group: there the key of the authorisation stands once more.
import type Stripe from "stripe";
import { ProviderUnavailable, type AuthorizationResult, type PaymentProvider, type ProviderOf } from "./contract.ts";
import { keyName, listStripeCharges, outcomeOf, readIntent, readStripeStatement } from "./stripe-books.ts";
import { notSigned, readStripeMessage } from "./stripe-messages.ts";
import { declineCode, isCardError, refusalOf, unavailableOr } from "./stripe-errors.ts";

export interface StripeSettings {
  /** Secret keys of the accounts, by tenant. */
  keys: ReadonlyMap<string, string>;
  /** Where Stripe is; undefined means Stripe's own address. */
  url: URL | undefined;
  timeoutMs: number;
  /** Secrets of the endpoints to which the accounts send their messages; several while one takes another's place. */
  webhookSecrets: ReadonlyMap<string, readonly string[]>;
}

/** Statements are asked for one by one: Stripe has none for many. */
const statementMax = 50;

export function stripeProvider(settings: StripeSettings): ProviderOf {
  const clients = new Map<string, Promise<Stripe>>();
  const clientOf = (tenant: string): Promise<Stripe> => {
    const client = clients.get(tenant) ?? connect(settings, tenant);
    clients.set(tenant, client);
    return client;
  };
  return (tenant): PaymentProvider => ({
    name: "stripe",
    authorize: async ({ idempotencyKey, amount, token }) => {
      const stripe = await clientOf(tenant);
      try {
        const intent = await stripe.paymentIntents.create(
          {
            amount: amount.minorUnits,
            currency: amount.currencyCode.toLowerCase(),
            payment_method: token,
            allowed_payment_method_types: ["card"],
            capture_method: "manual",
            confirm: true,
            // What the bank asks, Stripe's own library shows in the buyer's browser.
            use_stripe_sdk: true,
            transfer_group: idempotencyKey,
            metadata: { [keyName]: idempotencyKey },
          },
          { idempotencyKey },
        );
        return outcomeOf(intent);
      } catch (error) {
        if (isCardError(error)) return { kind: "declined", code: declineCode(error) };
        const refusal = refusalOf(error);
        if (refusal === undefined || refusal === "idempotency_key_reused") throw unavailableOr(error, refusal);
        // Such as a token that is none: nothing was asked of any bank.
        return { kind: "declined", code: refusal };
      }
    },
    // Whether a card's hold can be taken in parts is known card by card, and only where Stripe has enabled it for the account.
    capturesInParts: false,
    capture: async ({ idempotencyKey, reference, amount }) => {
      const stripe = await clientOf(tenant);
      const capture = { amount_to_capture: amount.minorUnits };
      return move("not_capturable", async () => {
        const { latest_charge: charge, id } = await stripe.paymentIntents.capture(reference, capture, { idempotencyKey });
        return typeof charge === "string" ? charge : (charge?.id ?? id);
      });
    },
    void: async ({ idempotencyKey, reference }) => {
      const stripe = await clientOf(tenant);
      return move("not_voidable", async () => {
        try {
          return (await stripe.paymentIntents.cancel(reference, {}, { idempotencyKey })).id;
        } catch (error) {
          // Banks let a hold lapse, and Stripe then ends the intent by itself: what was wanted is so.
          if (refusalOf(error) !== "payment_intent_unexpected_state") throw error;
          const intent = await stripe.paymentIntents.retrieve(reference);
          if (intent.status !== "canceled") throw error;
          return intent.id;
        }
      });
    },
    refund: async ({ idempotencyKey, reference, amount }) => {
      const stripe = await clientOf(tenant);
      const refund = { payment_intent: reference, amount: amount.minorUnits, metadata: { [keyName]: idempotencyKey } };
      return move("refund_exceeds_capture", async () => (await stripe.refunds.create(refund, { idempotencyKey })).id);
    },
    lookup: async (key, reference) => {
      const stripe = await clientOf(tenant);
      const intent = reference && (await calling(() => readIntent(stripe, reference)));
      if (intent) return outcomeOf(intent);
      const charges = await calling(() => stripe.charges.list({ transfer_group: key, limit: 10 }));
      const held = charges.data.find(({ status }) => status === "succeeded");
      return authorizationOf(held ?? charges.data[0]);
    },
    statementMax,
    statement: async (references) => {
      const stripe = await clientOf(tenant);
      return calling(() => readStripeStatement(stripe, references));
    },
    listCharges: async (page) => {
      const stripe = await clientOf(tenant);
      return calling(() => listStripeCharges(stripe, page));
    },
    readMessage: async (message) => {
      const secrets = settings.webhookSecrets.get(tenant) ?? [];
      // Before anything else, so that nobody learns whether there is such a tenant.
      if (secrets.length === 0) throw notSigned();
      return readStripeMessage(await clientOf(tenant), message, secrets);
    },
  });
}

/** Loaded where it is used: whoever stays with the sandbox has neither its memory nor its time. */
async function connect({ keys, url, timeoutMs }: StripeSettings, tenant: string): Promise<Stripe> {
  const key = keys.get(tenant);
  if (key === undefined) throw new ProviderUnavailable(`ORDERMESH_STRIPE_KEYS has no key for the tenant "${tenant}"; add one.`);
  const { default: StripeClient } = await import("stripe");
  const elsewhere = url && {
    host: url.hostname,
    port: url.port || (url.protocol === "http:" ? "80" : "443"),
    protocol: url.protocol === "http:" ? ("http" as const) : ("https" as const),
  };
  // Repeats are ours: they outlive the process.
  return new StripeClient(key, { ...elsewhere, maxNetworkRetries: 0, telemetry: false, timeout: timeoutMs });
}

async function calling<Result>(call: () => Promise<Result>): Promise<Result> {
  try {
    return await call();
  } catch (error) {
    throw unavailableOr(error, refusalOf(error));
  }
}

/** @param otherwise The refusal where what is asked does not fit the state of the hold. */
async function move(otherwise: string, call: () => Promise<string>): Promise<{ reference: string }> {
  try {
    return { reference: await call() };
  } catch (error) {
    const refusal = refusalOf(error);
    throw unavailableOr(error, refusal !== undefined && isAboutState(refusal) ? otherwise : refusal);
  }
}

const isAboutState = (refusal: string): boolean =>
  ["payment_intent_unexpected_state", "charge_already_refunded", "amount_too_large", "invalid_request"].includes(refusal);

/** A charge that failed was refused; one that succeeded held the money, whatever became of it since. */
function authorizationOf(charge: Stripe.Charge | undefined): AuthorizationResult | undefined {
  if (!charge) return undefined;
  const intent = typeof charge.payment_intent === "string" ? charge.payment_intent : charge.payment_intent?.id;
  if (charge.status === "succeeded" && intent !== undefined) return { kind: "authorized", reference: intent };
  if (charge.status !== "failed") return undefined;
  return { kind: "declined", code: declineCode({ code: charge.failure_code, decline_code: charge.outcome?.reason }) };
}

// Stripe where it does not answer as it should, and the service's whole way with it.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PaymentState } from "#gen/ordermesh/payments/v1/payment_pb.ts";
import { PaymentsAuditService } from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { startStripe, type StripeFault, type TestStripe } from "../../../test/support/stripe.ts";
import { paymentsFixture } from "./books.fixture.ts";
import { ProviderUnavailable, type PaymentProvider } from "./contract.ts";
import { readStripeSettings } from "./settings.ts";
import { stripeProvider } from "./stripe.ts";

const amount = { currencyCode: "EUR", minorUnits: 1_000 };
const key = "sk_test_one";
let stripe: TestStripe;
let provider: PaymentProvider;
beforeEach(async () => {
  stripe = await startStripe({ keys: [key] });
  provider = stripeProvider({ ...settings(), keys: new Map([["demo", key]]) })("demo");
});
afterEach(() => stripe.close());

const settings = () => ({ url: new URL(stripe.url), timeoutMs: 300, webhookSecrets: new Map<string, string[]>() });
const authorize = (idempotencyKey: string, token = "pm_card_visa") => provider.authorize({ idempotencyKey, amount, token });

async function hold(name: string): Promise<string> {
  const answer = await authorize(`${name}:authorize`);
  if (answer.kind !== "authorized") throw new Error(answer.kind);
  return answer.reference;
}

describe("without an answer the outcome is unknown", () => {
  test.each<{ fault: StripeFault; isHeld: boolean }>([
    { fault: "lose answers", isHeld: true },
    { fault: "say nothing", isHeld: true },
    { fault: "lose requests", isHeld: false },
    { fault: "answer 500", isHeld: false },
    { fault: "answer 429", isHeld: false },
  ])("$fault: asked once, found afterwards or not, and the repeat is the same hold", async ({ fault, isHeld }) => {
    stripe.fault = fault;
    await expect(authorize("lost:authorize")).rejects.toThrow(ProviderUnavailable);
    await expect(provider.lookup("lost:authorize")).rejects.toThrow(ProviderUnavailable);
    // The SDK itself asks once more, at once and under the same key, where the line was cut. More would be forgotten by a crash.
    expect(stripe.requests.length).toBeLessThanOrEqual(4);
    stripe.fault = undefined;
    expect((await provider.lookup("lost:authorize"))?.kind).toBe(isHeld ? "authorized" : undefined);
    const repeated = await authorize("lost:authorize");
    expect(await provider.lookup("lost:authorize")).toEqual(repeated);
    expect(stripe.intents.size).toBe(1);
  });

  test("a key that Stripe does not know decides nothing, and a tenant without a key is told which setting it needs", async () => {
    const stranger = stripeProvider({ ...settings(), keys: new Map([["demo", "sk_test_wrong"]]) });
    const ask = { idempotencyKey: "a", amount, token: "pm_card_visa" };
    await expect(stranger("demo").authorize(ask)).rejects.toThrow(ProviderUnavailable);
    await expect(stranger("other").authorize(ask)).rejects.toThrow('ORDERMESH_STRIPE_KEYS has no key for the tenant "other"');
  });
});

test("a question whose answer was lost is asked again under its key, and is the same", async () => {
  stripe.fault = "lose answers";
  await expect(authorize("3ds:authorize", "pm_card_authenticationRequired")).rejects.toThrow(ProviderUnavailable);
  stripe.fault = undefined;
  const answer = await authorize("3ds:authorize", "pm_card_authenticationRequired");
  const [intent] = stripe.intents.values();
  const action = { clientSecret: intent?.client_secret, redirectUrl: "" };
  expect(answer).toEqual({ kind: "action_required", reference: intent?.id, action });
  expect(stripe.intents.size).toBe(1);
});

test("a hold that has lapsed is given back, and cannot be taken", async () => {
  const reference = await hold("lapsed");
  stripe.letLapse(reference);
  expect(await provider.void({ idempotencyKey: "lapsed:void", reference })).toEqual({ reference });
  const late = provider.capture({ idempotencyKey: "lapsed:capture", reference, amount, isFinal: true });
  await expect(late).rejects.toMatchObject({ code: "not_capturable" });
});

test("an amount that is too large for a card is declined with Stripe's reason", async () => {
  const huge = { idempotencyKey: "huge", amount: { ...amount, minorUnits: 100_000_000 }, token: "pm_card_visa" };
  expect(await provider.authorize(huge)).toEqual({ kind: "declined", code: "amount_too_large" });
});

test.each([
  { keys: "", says: "is not set" },
  { keys: "demo", says: "has an entry that is not tenant=key" },
  { keys: "demo=pk_live_1", says: "has an entry that is not tenant=key" },
  { keys: "demo=sk_test_1", url: "ftp://x", says: 'ORDERMESH_STRIPE_URL is "ftp://x"' },
])("ORDERMESH_STRIPE_KEYS=$keys $url is refused with words and without the key", ({ keys, url = "", says }) => {
  const read = () => readStripeSettings({ ORDERMESH_STRIPE_KEYS: keys, ORDERMESH_STRIPE_URL: url });
  expect(read).toThrow(says);
  expect(read).not.toThrow(/k_(live|test)_1/);
});

describe("the service with Stripe", () => {
  const env = () => ({
    ORDERMESH_PAYMENT_PROVIDER: "stripe",
    ORDERMESH_STRIPE_KEYS: `demo=${key}`,
    ORDERMESH_STRIPE_URL: stripe.url,
  });

  test("an order is held, taken and refunded, and the audit finds the same in both books", async () => {
    const fixture = await paymentsFixture({ env: env() });
    try {
      const orderId = "ord_stripe";
      const client = fixture.client(PaymentsService);
      await fixture.askForPayment(orderId, { token: "pm_card_visa" });
      await fixture.runDue();
      await fixture.dispatchOrder(orderId);
      await fixture.runDue();
      const amountBack = { currencyCode: "EUR", minorUnits: 2_000n };
      await client.refundPayment({ orderId, amount: amountBack, reason: "scratched", requestId: "one" });
      await fixture.runDue();
      await fixture.askForPayment("ord_ended", { token: "pm_card_visa" });
      await fixture.runDue();
      await fixture.cancelOrder("ord_ended");
      await fixture.runDue();

      const { payment } = await client.getPayment({ orderId });
      expect(payment).toMatchObject({ state: PaymentState.CAPTURED, refunded: { minorUnits: 2_000n } });
      const [taken, ended] = [...stripe.intents.values()];
      expect(taken).toMatchObject({ status: "succeeded", amount_received: 5_000, currency: "eur" });
      expect(stripe.charges.get(taken?.latest_charge ?? "")?.amount_refunded).toBe(2_000);
      expect(ended).toMatchObject({ status: "canceled" });
      expect(await discrepancies()).toEqual([]);

      // Somebody gives money back in Stripe's own pages, and we are not told.
      Object.assign(stripe.charges.get(taken?.latest_charge ?? "") ?? {}, { amount_refunded: 2_500 });
      expect(await discrepancies()).toEqual(["money.provider"]);
    } finally {
      await fixture.close();
    }

    async function discrepancies(): Promise<string[]> {
      const found: string[] = [];
      let pageToken = "";
      do {
        const page = await fixture.client(PaymentsAuditService).auditPayments({ pageToken });
        found.push(...page.discrepancies.map(({ check }) => check));
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      return found;
    }
  });
});

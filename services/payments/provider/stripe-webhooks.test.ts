// Stripe's messages: who may send them, and that our books follow what happened there, however the message came.
import { create } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { Stripe } from "stripe";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PaymentState } from "#gen/ordermesh/payments/v1/payment_pb.ts";
import { PaymentsAuditService } from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { PaymentsWebhookService, ReceiveWebhookRequestSchema } from "#gen/ordermesh/payments/v1/payments_webhook_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { startStripe, type StripeCharge, type StripeIntent, type TestStripe } from "../../../test/support/stripe.ts";
import { paymentsFixture, type PaymentsFixture } from "./books.fixture.ts";

const key = "sk_test_one";
const [secret, nextSecret, othersSecret] = ["whsec_one", "whsec_two", "whsec_other"];
const sdk = new Stripe(key);
let stripe: TestStripe;
let fixture: PaymentsFixture;
beforeEach(async () => {
  stripe = await startStripe({ keys: [key] });
  fixture = await paymentsFixture({
    env: {
      ORDERMESH_PAYMENT_PROVIDER: "stripe",
      ORDERMESH_STRIPE_KEYS: `demo=${key},other=${key}`,
      ORDERMESH_STRIPE_WEBHOOK_SECRETS: `demo=${secret},demo=${nextSecret},other=${othersSecret}`,
      ORDERMESH_STRIPE_URL: stripe.url,
    },
  });
});
afterEach(async () => {
  await fixture.close();
  await stripe.close();
});

interface Sent {
  secret?: string;
  provider?: string;
  tenant?: string;
  ageSeconds?: number;
  tamper?: (text: string) => string;
  signature?: string;
}

const text = (type: string, object: unknown): string => JSON.stringify({ id: "evt_1", object: "event", type, data: { object } });

async function send(payload: string, sent: Sent = {}): Promise<number> {
  const { provider = "stripe", tenant = "demo", ageSeconds = 0, tamper = (same) => same } = sent;
  const timestamp = Math.floor(Date.now() / 1_000) - ageSeconds;
  const signature =
    sent.signature ?? sdk.webhooks.generateTestHeaderString({ payload, secret: sent.secret ?? secret, timestamp });
  const body = { contentType: "application/json", data: new TextEncoder().encode(tamper(payload)) };
  const { payments } = await fixture
    .client(PaymentsWebhookService)
    .receiveWebhook(create(ReceiveWebhookRequestSchema, { provider, tenant, body }), {
      headers: { "stripe-signature": signature },
    });
  return payments;
}

const chargeOf = (intent: StripeIntent): StripeCharge => stripe.charges.get(intent.latest_charge ?? "") as StripeCharge;

async function held(orderId: string): Promise<StripeIntent> {
  await fixture.askForPayment(orderId, { token: "pm_card_visa" });
  await fixture.runDue();
  return [...stripe.intents.values()].at(-1) as StripeIntent;
}

const stateOf = async (orderId: string): Promise<PaymentState | undefined> =>
  (await fixture.client(PaymentsService).getPayment({ orderId })).payment?.state;

const discrepancies = async (): Promise<string[]> =>
  (await fixture.client(PaymentsAuditService).auditPayments({})).discrepancies.map(({ check }) => check);

describe("a message is refused", () => {
  test.each<Sent & { why: string }>([
    { why: "without a signature", signature: "" },
    { why: "with another's signature", secret: othersSecret },
    { why: "with a word changed", tamper: (payload) => payload.replace("canceled", "succeeded") },
    { why: "that is older than five minutes", ageSeconds: 301 },
    { why: "for a tenant whose account it is not of", tenant: "other" },
    { why: "for a tenant that there is not", tenant: "nobody" },
  ])("$why", async (sent) => {
    const refusal: unknown = await send(text("payment_intent.canceled", {}), sent).catch((error: unknown) => error);
    expect(reasonOf(refusal)).toBe("WEBHOOK_SIGNATURE_INVALID");
    expect(refusal).toMatchObject({ code: Code.InvalidArgument });
  });

  test("for a provider that does not move the money", async () => {
    for (const provider of ["sandbox", "paypal"]) {
      const refusal: unknown = await send(text("a", {}), { provider }).catch((error: unknown) => error);
      expect(reasonOf(refusal)).toBe("PROVIDER_UNKNOWN");
    }
  });

  test("that is no JSON, though it is signed, with a reason and not as an internal error", async () => {
    const refusal: unknown = await send("{").catch((error: unknown) => error);
    expect(reasonOf(refusal)).toBe("WEBHOOK_SIGNATURE_INVALID");
  });
});

test("either secret is good while one takes another's place", async () => {
  const intent = await held("ord_rotated");
  expect(await send(text("payment_intent.canceled", intent), { secret: nextSecret })).toBe(1);
});

test.each([
  ["of a type that we do not know", text("radar.early_fraud_warning.created", { id: "issfr_1", object: "x" })],
  ["about an intent that is none of ours", text("payment_intent.canceled", { metadata: {} })],
  ["about a payment that we do not have", text("payment_intent.canceled", { metadata: { ordermesh_key: "pay_01:authorize" } })],
])("a message %s is taken and changes nothing", async (_, payload) => {
  expect(await send(payload)).toBe(0);
  expect(await fixture.dueLeft()).toEqual([]);
});

test("a hold that has lapsed is voided once, though the message comes twenty times at once and again", async () => {
  const intent = await held("ord_lapsed");
  stripe.letLapse(intent.id);
  const payload = text("payment_intent.canceled", intent);
  expect(await Promise.all(Array.from({ length: 20 }, () => send(payload)))).toEqual(Array.from({ length: 20 }, () => 1));
  await fixture.runDue();
  await send(payload);
  await fixture.runDue();
  expect(await stateOf("ord_lapsed")).toBe(PaymentState.VOIDED);
  expect(await fixture.sentFor("ord_lapsed")).toEqual(["PaymentAuthorized", "PaymentVoided"]);
  expect(await discrepancies()).toEqual([]);
});

test("what was given back in Stripe's own pages is booked, in part and then wholly, whatever order the messages have", async () => {
  const orderId = "ord_pages";
  const intent = await held(orderId);
  await fixture.dispatchOrder(orderId);
  await fixture.runDue();
  const charge = chargeOf(intent);
  const early = text("charge.refunded", { ...charge, amount_refunded: 1_000 });
  charge.amount_refunded = 1_500;
  await send(early);
  await fixture.runDue();
  expect([await stateOf(orderId), await discrepancies()]).toEqual([PaymentState.CAPTURED, []]);
  charge.amount_refunded = 5_000;
  await send(text("charge.refunded", charge));
  await send(early);
  await fixture.runDue();
  expect([await stateOf(orderId), await discrepancies()]).toEqual([PaymentState.REFUNDED, []]);
  expect(await fixture.sentFor(orderId)).toEqual(["PaymentAuthorized", "PaymentCaptured", "PaymentRefunded", "PaymentRefunded"]);
});

test("what was taken in Stripe's own pages is booked, and the dispatch takes nothing more", async () => {
  const intent = await held("ord_taken");
  Object.assign(intent, { status: "succeeded", amount_received: 5_000 });
  chargeOf(intent).captured = true;
  await send(text("payment_intent.succeeded", intent));
  await fixture.runDue();
  await fixture.dispatchOrder("ord_taken");
  await fixture.runDue();
  expect([await stateOf("ord_taken"), await discrepancies()]).toEqual([PaymentState.CAPTURED, []]);
});

test("messages about what we do ourselves book nothing twice, before, while and after we have booked it", async () => {
  const orderId = "ord_own";
  const intent = await held(orderId);
  await send(text("payment_intent.amount_capturable_updated", intent));
  await fixture.dispatchOrder(orderId);
  await send(text("payment_intent.succeeded", intent));
  await fixture.runDue();
  await fixture.client(PaymentsService).refundPayment({ orderId, reason: "returned", requestId: "one" });
  await send(text("charge.refunded", chargeOf(intent)));
  await fixture.runDue();
  await send(text("charge.refunded", chargeOf(intent)));
  await fixture.runDue();
  expect([await stateOf(orderId), await discrepancies()]).toEqual([PaymentState.REFUNDED, []]);
  expect(await fixture.sentFor(orderId)).toEqual(["PaymentAuthorized", "PaymentCaptured", "PaymentRefunded"]);
});

describe("a buyer that has to act", () => {
  async function asked(orderId: string): Promise<StripeIntent> {
    await fixture.askForPayment(orderId, { token: "pm_card_authenticationRequired" });
    await fixture.runDue();
    return [...stripe.intents.values()].at(-1) as StripeIntent;
  }
  const question = (intent: StripeIntent): string => text("payment_intent.requires_action", intent);

  test("has: its money is held once, though the messages come twenty times, late and in the wrong order", async () => {
    const orderId = "ord_acted";
    const intent = await asked(orderId);
    const before = question(intent);
    await send(before);
    await fixture.runDue();
    expect(await stateOf(orderId)).toBe(PaymentState.ACTION_REQUIRED);
    const held = text("payment_intent.amount_capturable_updated", stripe.authenticate(intent.client_secret, true));
    await Promise.all([...Array.from({ length: 20 }, () => send(held)), send(before)]);
    await fixture.runDue();
    await send(before);
    await fixture.runDue();
    expect([await stateOf(orderId), await discrepancies()]).toEqual([PaymentState.AUTHORIZED, []]);
    expect(await fixture.sentFor(orderId)).toEqual(["PaymentActionRequired", "PaymentAuthorized"]);
    expect(await fixture.dueLeft()).toEqual([]);
  });

  test("has failed: declined, and no other card can be tried with its secret", async () => {
    const orderId = "ord_failed";
    const intent = await asked(orderId);
    await send(text("payment_intent.payment_failed", stripe.authenticate(intent.client_secret, false)));
    await fixture.runDue();
    expect([await stateOf(orderId), await discrepancies()]).toEqual([PaymentState.DECLINED, []]);
    expect(intent.status).toBe("canceled");
    expect(() => stripe.authenticate(intent.client_secret, true)).toThrow("nothing to do");
    expect(await fixture.sentFor(orderId)).toEqual(["PaymentActionRequired", "PaymentDeclined"]);
  });

  test("has not, and the order ends: the intent is canceled once, and a message that is late changes nothing", async () => {
    const orderId = "ord_ended";
    const intent = await asked(orderId);
    await fixture.cancelOrder(orderId);
    await send(question(intent));
    await fixture.runDue();
    await send(question(intent));
    await fixture.runDue();
    expect([await stateOf(orderId), await discrepancies()]).toEqual([PaymentState.VOIDED, []]);
    expect(stripe.requests.filter((request) => request.endsWith("/cancel"))).toHaveLength(1);
  });
});

test("while Stripe does not answer, the look is taken again until it does", async () => {
  const intent = await held("ord_away");
  stripe.letLapse(intent.id);
  await send(text("payment_intent.canceled", intent));
  stripe.fault = "answer 500";
  await expect(fixture.runDue()).rejects.toThrow("payment provider unavailable");
  stripe.fault = undefined;
  await fixture.runDue(new Date(Date.now() + 60_000));
  expect(await stateOf("ord_away")).toBe(PaymentState.VOIDED);
});

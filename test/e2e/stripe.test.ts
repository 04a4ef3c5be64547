// The mesh with Stripe in place of the sandbox: orders are paid there, and what happens there by itself reaches the order.
import { Stripe } from "stripe";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { AuditState } from "#gen/ordermesh/operations/v1/audit_report_pb.ts";
import { PaymentState } from "#gen/ordermesh/payments/v1/payment_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { OrderState, stockOf, testMesh, type TestMesh } from "../support/mesh.ts";
import { startStripe, type StripeIntent, type TestStripe } from "../support/stripe.ts";
import { eventually } from "../support/until.ts";

const [key, secret] = ["sk_test_mesh", "whsec_mesh"];
let stripe: TestStripe;
let mesh: TestMesh;

beforeAll(async () => {
  stripe = await startStripe({ keys: [key] });
  mesh = await testMesh({
    ORDERMESH_PAYMENT_PROVIDER: "stripe",
    ORDERMESH_STRIPE_KEYS: `demo=${key}`,
    ORDERMESH_STRIPE_WEBHOOK_SECRETS: `demo=${secret}`,
    ORDERMESH_STRIPE_URL: stripe.url,
    // Slow enough for a hold to lapse in between.
    ORDERMESH_CARRIER_DISPATCH_MS: "2000",
    ORDERMESH_AUDIT_GRACE_MS: "1000",
  });
  await mesh.product("CARD", { stock: 10 });
});

afterAll(async () => {
  await mesh.close();
  await stripe.close();
});

const intentOf = (orderNumber: number): StripeIntent => [...stripe.intents.values()][orderNumber] as StripeIntent;

/** As Stripe would, by REST. */
async function tell(type: string, object: unknown): Promise<unknown> {
  // Spaces and line breaks are signed too, so they must arrive.
  const payload = JSON.stringify({ id: "evt_1", object: "event", type, data: { object } }, undefined, 2);
  const signature = new Stripe(key).webhooks.generateTestHeaderString({ payload, secret });
  const headers = { "content-type": "application/json; charset=utf-8", "stripe-signature": signature };
  const response = await fetch(`${mesh.edgeUrl}/v1/payment-webhooks/stripe/demo`, { method: "POST", body: payload, headers });
  expect(response.status).toBe(200);
  return response.json();
}

test("an order is paid by card, refunded in Stripe's own pages, and a hold that lapses cancels another", async () => {
  const items = [{ sku: "CARD", quantity: 1n }];
  const bought = await mesh.place({ items, paymentToken: "pm_card_visa" });
  await mesh.reached(bought.orderId, OrderState.DELIVERED);
  const payments = mesh.client(PaymentsService);
  const paymentOf = async (orderId: string) => (await payments.getPayment({ orderId })).payment;
  await eventually(async () => expect(await paymentOf(bought.orderId)).toMatchObject({ state: PaymentState.CAPTURED }));

  const charge = stripe.charges.get(intentOf(0).latest_charge ?? "");
  Object.assign(charge ?? {}, { amount_refunded: intentOf(0).amount });
  expect(await tell("charge.refunded", charge)).toEqual({ payments: 1 });
  await eventually(async () => expect(await paymentOf(bought.orderId)).toMatchObject({ state: PaymentState.REFUNDED }));

  const lapsing = await mesh.place({ items, paymentToken: "pm_card_visa" });
  await mesh.reached(lapsing.orderId, OrderState.PENDING_SHIPMENT);
  stripe.letLapse(intentOf(1).id);
  expect(await tell("payment_intent.canceled", intentOf(1))).toEqual({ payments: 1 });
  expect(await mesh.reached(lapsing.orderId, OrderState.CANCELLED)).toMatchObject({ cancelReason: "PAYMENT_LOST" });
  await eventually(async () => expect(await stockOf(mesh, "CARD")).toMatchObject({ onHand: 9, reserved: 0 }));

  const declined = await mesh.place({ items, paymentToken: "pm_card_chargeDeclinedInsufficientFunds" });
  expect(await mesh.reached(declined.orderId, OrderState.CANCELLED)).toMatchObject({ cancelDetail: "insufficient_funds" });

  await eventually(async () => {
    const { report } = await mesh.client(OperationsService).runAudit({});
    expect(report?.state).toBe(AuditState.CLEAN);
  });
});

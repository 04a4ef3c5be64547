// ResumePayment: the buyer is back from its bank, and the provider is asked what came of it.
import type { ResumePaymentRequest } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { PaymentSchema } from "#gen/ordermesh/payments/v1/payment_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { unavailable } from "#runtime/errors.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { concludeAction, lookForAction, type ActionOutcome } from "../domain/action.ts";
import type { Payment } from "../domain/payment.ts";
import { lookAtAction } from "../provider/buyer-action.ts";
import { ProviderUnavailable, type ProviderOf } from "../provider/contract.ts";
import { saveChanges } from "../store/changes.ts";
import { keyOf, lockPayments, type PaymentsTables } from "../store/payments.ts";
import { readVisible, showPayment } from "./payment-message.ts";

type Runtime = Pick<ServiceRuntime<PaymentsTables>, "db" | "transaction" | "clock">;

/** Outside any transaction it looks, and then books what it saw; a payment that has changed meanwhile stays as it is. */
export function resumePayment(runtime: Runtime, providerOf: ProviderOf): (request: ResumePaymentRequest) => Promise<Payment> {
  const { db, clock } = runtime;
  return async ({ orderId }) => {
    const payment = await readVisible(db, orderId);
    const look = lookForAction(payment, clock.now());
    if (!look) return payment;
    const outcome = await lookAtAction(providerOf(payment.tenant), look).catch((error: unknown) => {
      throw error instanceof ProviderUnavailable ? unavailable("the payment provider", error) : error;
    });
    if (outcome) await book(runtime, orderId, outcome);
    return readVisible(db, orderId);
  };
}

async function book({ transaction, clock }: Runtime, orderId: string, outcome: ActionOutcome): Promise<void> {
  await transaction(async (tx) => {
    const now = clock.now();
    const key = { tenant: currentRequest().tenant, orderId };
    const payment = (await lockPayments(tx, [key])).get(keyOf(key));
    if (payment?.state !== "ACTION_REQUIRED") return;
    const before = await showPayment(tx, payment);
    const change = concludeAction(payment, outcome, now);
    await saveChanges(tx, [{ change, cause: requestCause() }], now);
    const after = await showPayment(tx, { ...change.payment, updateTime: now });
    await recordChange(tx, {
      resource: { kind: "payment", id: orderId },
      before: shown(PaymentSchema, before),
      after: shown(PaymentSchema, after),
    });
  });
}

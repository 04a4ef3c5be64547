// RefundPayment: booked here, given back by due work.
import { createHash } from "node:crypto";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import { PaymentSchema, type Payment as ShownPayment } from "#gen/ordermesh/payments/v1/payment_pb.ts";
import type { RefundPaymentRequest } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { Change, Payment } from "../domain/payment.ts";
import { bookRefund } from "../domain/refund.ts";
import { saveChanges } from "../store/changes.ts";
import { keyOf, lockPayments, type PaymentsTables } from "../store/payments.ts";
import { claimRequest, saveAnswer } from "../store/refunds.ts";
import { paymentNotFound, showPayment } from "./payment-message.ts";

export function refundPayment({
  transaction,
  clock,
}: Pick<ServiceRuntime<PaymentsTables>, "transaction" | "clock">): (request: RefundPaymentRequest) => Promise<ShownPayment> {
  return (request) =>
    transaction(async (tx) => {
      const { tenant } = currentRequest();
      const { orderId, requestId } = request;
      const now = clock.now();
      const contentHash = hashOf(request);
      const first = await claimRequest(tx, { tenant, requestId, contentHash, now });
      if (first && first.contentHash !== contentHash) throw requestIdReused(requestId);
      if (first) return fromBinary(PaymentSchema, first.answer);
      const payment = (await lockPayments(tx, [{ tenant, orderId }])).get(keyOf({ tenant, orderId }));
      if (!payment) throw paymentNotFound(orderId);
      const before = await showPayment(tx, payment);
      const change = decideRefund(payment, request);
      await saveChanges(tx, [{ change, cause: requestCause() }], now);
      const answer = await showPayment(tx, { ...change.payment, updateTime: now });
      await recordChange(tx, {
        resource: { kind: "payment", id: orderId },
        before: shown(PaymentSchema, before),
        after: shown(PaymentSchema, answer),
      });
      await saveAnswer(tx, { tenant, requestId, answer: toBinary(PaymentSchema, answer) });
      return answer;
    });
}

function decideRefund(payment: Payment, { amount, reason }: RefundPaymentRequest): Change {
  const { orderId, currencyCode } = payment;
  if (amount && amount.currencyCode !== currencyCode) {
    throw refuse(Code.InvalidArgument, "CURRENCY_MISMATCH", `order ${orderId} was paid in ${currencyCode}`, {
      orderId,
      currencyCode,
    });
  }
  const outcome = bookRefund(payment, { amount: amount && Number(amount.minorUnits), reason });
  switch (outcome.kind) {
    case "booked":
      return outcome.change;
    case "not_captured":
      throw refuse(Code.FailedPrecondition, "NOT_CAPTURED", `nothing was taken for order ${orderId}`, {
        orderId,
        state: payment.state,
      });
    case "exceeds":
      throw refuse(Code.FailedPrecondition, "REFUND_EXCEEDS_CAPTURE", `order ${orderId} has less left to refund`, {
        orderId,
        currencyCode,
        remainingMinorUnits: String(outcome.remaining),
      });
  }
}

function requestIdReused(requestId: string): ConnectError {
  return refuse(Code.AlreadyExists, "REQUEST_ID_REUSED", "the request_id came before with other content", { requestId });
}

function hashOf({ orderId, amount, reason }: RefundPaymentRequest): string {
  const content = [orderId, amount?.currencyCode ?? null, amount ? String(amount.minorUnits) : null, reason];
  return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}

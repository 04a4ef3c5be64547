// Requests about money, and how a payment looks from outside.
import { createHash } from "node:crypto";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError, type ConnectRouter } from "@connectrpc/connect";
import type { Kysely } from "kysely";
import {
  LedgerEntryType,
  PaymentSchema,
  PaymentState as ShownState,
  type Payment as ShownPayment,
} from "#gen/ordermesh/payments/v1/payment_pb.ts";
import { PaymentsService, type RefundPaymentRequest } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { bookRefund } from "./domain/movement.ts";
import type { Change, Payment } from "./domain/payment.ts";
import { saveChanges } from "./store/changes.ts";
import { keyOf, lockPayments, readPayment, type PaymentsTables } from "./store/payments.ts";
import { claimRequest, readLedger, saveAnswer, type ShownEntry } from "./store/refunds.ts";

export function paymentRoutes({
  db,
  transaction,
  clock,
}: Pick<ServiceRuntime<PaymentsTables>, "db" | "transaction" | "clock">): (router: ConnectRouter) => void {
  const refundPayment = (request: RefundPaymentRequest): Promise<ShownPayment> =>
    transaction(async (tx) => {
      const { tenant } = currentRequest();
      const { orderId, requestId } = request;
      const now = clock.now();
      const contentHash = hashOf(request);
      const before = await claimRequest(tx, { tenant, requestId, contentHash, now });
      if (before && before.contentHash !== contentHash) throw requestIdReused(requestId);
      if (before) return fromBinary(PaymentSchema, before.answer);
      const payment = (await lockPayments(tx, [{ tenant, orderId }])).get(keyOf({ tenant, orderId }));
      if (!payment) throw paymentNotFound(orderId);
      const change = decideRefund(payment, request);
      await saveChanges(tx, [{ change, cause: requestCause() }], now);
      const answer = await showPayment(tx, { ...change.payment, updateTime: now });
      await saveAnswer(tx, { tenant, requestId, answer: toBinary(PaymentSchema, answer) });
      return answer;
    });

  return (router) =>
    router.service(PaymentsService, {
      getPayment: async ({ orderId }) => {
        const payment = await readPayment(db, { tenant: currentRequest().tenant, orderId });
        if (!payment) throw paymentNotFound(orderId);
        return { payment: await showPayment(db, payment) };
      },
      refundPayment: async (request) => ({ payment: await refundPayment(request) }),
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

function paymentNotFound(orderId: string): ConnectError {
  return refuse(Code.NotFound, "PAYMENT_NOT_FOUND", `order ${orderId} has no payment`, { orderId });
}

function requestIdReused(requestId: string): ConnectError {
  return refuse(Code.AlreadyExists, "REQUEST_ID_REUSED", "the request_id came before with other content", { requestId });
}

function hashOf({ orderId, amount, reason }: RefundPaymentRequest): string {
  const content = [orderId, amount?.currencyCode ?? null, amount ? String(amount.minorUnits) : null, reason];
  return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}

async function showPayment(db: Kysely<PaymentsTables>, payment: Payment): Promise<ShownPayment> {
  const ledger = await readLedger(db, payment);
  const money = (minorUnits: number) => ({ currencyCode: payment.currencyCode, minorUnits: BigInt(minorUnits) });
  const entry = ({ entryId, type, amount, providerReference, createTime }: ShownEntry) => ({
    entryId,
    type: LedgerEntryType[type],
    amount: money(amount),
    providerReference,
    createTime: timestampFromDate(createTime),
  });
  return create(PaymentSchema, {
    paymentId: payment.paymentId,
    orderId: payment.orderId,
    state: ShownState[payment.state],
    amount: money(payment.amount),
    captured: money(payment.captured),
    refunded: money(payment.refunded),
    declineCode: payment.declineCode ?? "",
    ledger: ledger.map(entry),
    createTime: timestampFromDate(payment.createTime),
    updateTime: timestampFromDate(payment.updateTime),
  });
}

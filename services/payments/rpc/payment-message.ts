// How a payment looks from outside.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError } from "@connectrpc/connect";
import type { Kysely } from "kysely";
import {
  LedgerEntryType,
  type PaymentActionSchema,
  PaymentSchema,
  PaymentState as ShownState,
  type Payment as ShownPayment,
} from "#gen/ordermesh/payments/v1/payment_pb.ts";
import { PaymentEntrySchema, type PaymentEntry } from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import { isAnothers } from "#runtime/access/authorize.ts";
import { refuse } from "#runtime/errors.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { isUndoing } from "../domain/movement.ts";
import type { Payment } from "../domain/payment.ts";
import { readPayment, type PaymentsTables } from "../store/payments.ts";
import { readLedger, type ShownEntry } from "../store/refunds.ts";

export function paymentNotFound(orderId: string): ConnectError {
  return refuse(Code.NotFound, "PAYMENT_NOT_FOUND", `order ${orderId} has no payment`, { orderId });
}

const moneyOf =
  ({ currencyCode }: Payment) =>
  (minorUnits: number) => ({ currencyCode, minorUnits: BigInt(minorUnits) });

/**
 * Throws PAYMENT_NOT_FOUND, also where a customer asks whose order it is not: what is another's is as what does not exist.
 */
export async function readVisible(db: Kysely<PaymentsTables>, orderId: string): Promise<Payment> {
  const payment = await readPayment(db, { tenant: currentRequest().tenant, orderId });
  if (!payment || isAnothers(payment.customerId)) throw paymentNotFound(orderId);
  return payment;
}

/** A service has no use for it, and the buyer would not be asked. */
function shownAction({ action, deadline }: Payment): MessageInitShape<typeof PaymentActionSchema> | undefined {
  const isForCaller = currentRequest().caller?.roles.some((role) => role === "customer" || role === "operator");
  return action && isForCaller ? { ...action, expireTime: timestampFromDate(deadline) } : undefined;
}

export async function showPayment(db: Kysely<PaymentsTables>, payment: Payment): Promise<ShownPayment> {
  const ledger = await readLedger(db, payment);
  const money = moneyOf(payment);
  const action = shownAction(payment);
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
    ...(action ? { action } : {}),
  });
}

export function paymentEntry(payment: Payment, returnRefund?: number): PaymentEntry {
  const money = moneyOf(payment);
  return create(PaymentEntrySchema, {
    orderId: payment.orderId,
    state: ShownState[payment.state],
    amount: money(payment.amount),
    captured: money(payment.captured),
    refunded: money(payment.refunded),
    updateTime: timestampFromDate(payment.updateTime),
    undoing: isUndoing(payment),
    ...(returnRefund === undefined ? {} : { returnRefund: money(returnRefund) }),
  });
}

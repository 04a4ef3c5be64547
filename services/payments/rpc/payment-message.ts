// How a payment looks from outside.
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError } from "@connectrpc/connect";
import type { Kysely } from "kysely";
import {
  LedgerEntryType,
  PaymentSchema,
  PaymentState as ShownState,
  type Payment as ShownPayment,
} from "#gen/ordermesh/payments/v1/payment_pb.ts";
import { PaymentEntrySchema, type PaymentEntry } from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { isUndoing } from "../domain/movement.ts";
import type { Payment } from "../domain/payment.ts";
import type { PaymentsTables } from "../store/payments.ts";
import { readLedger, type ShownEntry } from "../store/refunds.ts";

export function paymentNotFound(orderId: string): ConnectError {
  return refuse(Code.NotFound, "PAYMENT_NOT_FOUND", `order ${orderId} has no payment`, { orderId });
}

const moneyOf =
  ({ currencyCode }: Payment) =>
  (minorUnits: number) => ({ currencyCode, minorUnits: BigInt(minorUnits) });

export async function showPayment(db: Kysely<PaymentsTables>, payment: Payment): Promise<ShownPayment> {
  const ledger = await readLedger(db, payment);
  const money = moneyOf(payment);
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

export function paymentEntry(payment: Payment): PaymentEntry {
  const money = moneyOf(payment);
  return create(PaymentEntrySchema, {
    orderId: payment.orderId,
    state: ShownState[payment.state],
    amount: money(payment.amount),
    captured: money(payment.captured),
    refunded: money(payment.refunded),
    updateTime: timestampFromDate(payment.updateTime),
    undoing: isUndoing(payment),
  });
}

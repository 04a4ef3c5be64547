// UndoPayment: the money goes back, whether or not the order's own end says so.
import {
  PaymentEntrySchema,
  UndoPaymentRequestSchema,
  type UndoPaymentRequest,
} from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { neededWork, undo } from "../domain/movement.ts";
import type { Payment } from "../domain/payment.ts";
import { planForgotten, saveChanges } from "../store/changes.ts";
import { keyOf, lockPayments, type PaymentsTables } from "../store/payments.ts";
import { paymentEntry, paymentNotFound } from "./payment-message.ts";

export function undoPayment({
  transaction,
  clock,
  log,
}: Pick<ServiceRuntime<PaymentsTables>, "transaction" | "clock" | "log">): (request: UndoPaymentRequest) => Promise<Payment> {
  return ({ orderId, reason }) =>
    transaction(async (tx) => {
      const resource = { kind: "payment", id: orderId };
      const key = { tenant: currentRequest().tenant, orderId };
      const payment = (await lockPayments(tx, [key])).get(keyOf(key));
      if (!payment) throw paymentNotFound(orderId);
      const now = clock.now();
      const cause = requestCause();
      const change = undo(payment, reason);
      if (change) {
        await saveChanges(tx, [{ change, cause }], now);
        const side = (one: Payment) => shown(PaymentEntrySchema, paymentEntry(one));
        const updated = { ...change.payment, updateTime: now };
        await recordChange(tx, { resource, before: side(payment), after: side(updated) });
        log.info({ orderId, paymentId: payment.paymentId, state: payment.state }, "payment_undone");
      }
      const after = change ? { ...change.payment, updateTime: now } : payment;
      // A payment whose next step was lost would otherwise wait for it with its money on the way.
      const isPlanned = await planForgotten(tx, { payment: after, needed: neededWork(after) }, cause);
      if (isPlanned && !change) await recordChange(tx, { resource, after: shown(UndoPaymentRequestSchema, { reason }) });
      return after;
    });
}

// Writes what was decided, all of it in one transaction: rows, ledger, refunds, due work and events.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { sql, type Transaction } from "kysely";
import {
  PaymentActionRequiredSchema,
  PaymentAuthorizedSchema,
  PaymentCapturedSchema,
  PaymentDeclinedSchema,
  PaymentRefundedSchema,
  PaymentVoidedSchema,
} from "#gen/ordermesh/payments/events/v1/payments_events_pb.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, type Cause, type OutgoingEvent } from "#runtime/events/outgoing.ts";
import { newId } from "#runtime/ids.ts";
import { cancelDue, planDue, type NewDueItem } from "#runtime/schedule/due-work.ts";
import type { Change, Fact, Movement, Payment, Work } from "../domain/payment.ts";
import { givenRows } from "./given-rows.ts";
import { keyOf, updatePayments, type PaymentsTables } from "./payments.ts";
import { saveReturnRefunds } from "./return-refunds.ts";

/** A decision and the request or event that led to it. */
export interface Decided {
  change: Change;
  cause: Cause;
}

/** Names of the due work. */
export const dueKinds: Record<Work | "refund", string> = {
  authorize: "payments.authorize",
  close: "payments.close",
  settle: "payments.settle",
  capture: "payments.capture",
  void: "payments.void",
  reconcile: "payments.reconcile",
  refund: "payments.refund",
};

const atOnce = { inMs: 0 };
/** How long after the deadline what the buyer has not done is given up by ourselves. */
const closeGraceMs = 60_000;

export function dueItem(payment: Payment, work: Work, cause: Cause): NewDueItem {
  const isToWait = work === "close" && !payment.cancelRequested;
  // The buyer has until the deadline, and the order's own end comes first.
  const due = isToWait ? { at: new Date(payment.deadline.getTime() + closeGraceMs) } : atOnce;
  return { kind: dueKinds[work], tenant: payment.tenant, key: payment.orderId, due, cause };
}

/** Saves decisions about payments that this transaction has locked; several about one payment follow one another. */
export async function saveChanges(tx: Transaction<PaymentsTables>, decided: readonly Decided[], now: Date): Promise<void> {
  if (decided.length === 0) return;
  const last = new Map(decided.map(({ change }) => [keyOf(change.payment), { ...change.payment, updateTime: now }]));
  await updatePayments(tx, [...last.values()]);
  await insertMovements(tx, decided, now);
  const refundItems = await insertRefunds(tx, decided, now);
  const backs = decided.flatMap(({ change: { payment, backs = [] } }) =>
    backs.map((back) => ({ ...back, tenant: payment.tenant, orderId: payment.orderId })),
  );
  await saveReturnRefunds(tx, backs, now);
  const workItems = decided.flatMap(({ change, cause }) => change.work.map((work) => dueItem(change.payment, work, cause)));
  // Two decisions about one payment may ask for the same.
  const works = [...new Map(workItems.map((item) => [`${item.kind} ${item.tenant}/${item.key}`, item])).values()];
  await planDue(tx, [...works, ...refundItems]);
  await takeBack(tx, decided);
  await appendEvents(
    tx,
    decided.flatMap((one) => eventsOf(one, now)),
  );
}

async function takeBack(tx: Transaction<PaymentsTables>, decided: readonly Decided[]): Promise<void> {
  for (const { change } of decided) {
    const { payment, needless } = change;
    if (needless) await cancelDue(tx, dueKinds[needless], [{ tenant: payment.tenant, key: payment.orderId }]);
  }
}

/**
 * Plans what a payment needs and what is not planned; what is planned keeps its time. The payment must be locked: whoever
 * does its work has either booked it, or will find it as it is now.
 */
export async function planForgotten(
  tx: Transaction<PaymentsTables>,
  { payment, needed }: { payment: Payment; needed: Work | undefined },
  cause: Cause,
): Promise<boolean> {
  const { tenant, orderId } = payment;
  const refunds = await sql<{ key: string }>`
    select refund_id as key from refund
    where tenant_id = ${tenant} and order_id = ${orderId} and state = 'DUE' and not exists (
      select from due_work
      where kind = ${dueKinds.refund} and due_work.tenant_id = refund.tenant_id and due_work.key = refund.refund_id
    )`.execute(tx);
  const items = refunds.rows.map(({ key }): NewDueItem => ({ kind: dueKinds.refund, tenant, key, due: atOnce, cause }));
  if (needed) {
    const planned = await sql`
      select from due_work where kind = ${dueKinds[needed]} and tenant_id = ${tenant} and key = ${orderId}`.execute(tx);
    if (planned.rows.length === 0) items.push(dueItem(payment, needed, cause));
  }
  await planDue(tx, items);
  return items.length > 0;
}

interface Entry {
  payment: Payment;
  movement: Movement;
}

function insertMovements(tx: Transaction<PaymentsTables>, decided: readonly Decided[], now: Date): Promise<void> {
  const entries = decided.flatMap(({ change: { payment, movements } }) => movements.map((movement) => ({ payment, movement })));
  return insertEntries(tx, entries, now);
}

async function insertEntries(tx: Transaction<PaymentsTables>, entries: readonly Entry[], now: Date): Promise<void> {
  const rows = entries.map(({ payment, movement }) => ({
    tenant_id: payment.tenant,
    // A refund has had its id and its time since it was booked.
    entry_id: movement.refund?.refundId ?? newId("led"),
    order_id: payment.orderId,
    type: movement.type,
    amount_minor_units: movement.amount,
    provider_reference: movement.providerReference,
    create_time: movement.refund?.createTime ?? now,
  }));
  if (rows.length === 0) return;
  await sql`
    insert into ledger_entry (tenant_id, entry_id, order_id, type, amount_minor_units, provider_reference, create_time)
    select tenant_id, entry_id, order_id, type, amount_minor_units, provider_reference, create_time
    from ${givenRows("ledger_entry", rows)} as entry`.execute(tx);
}

async function insertRefunds(tx: Transaction<PaymentsTables>, decided: readonly Decided[], now: Date): Promise<NewDueItem[]> {
  const booked = decided.flatMap(({ change, cause }) =>
    change.refunds.map((refund) => ({ refundId: newId("led"), payment: change.payment, refund, cause })),
  );
  if (booked.length === 0) return [];
  const rows = booked.map(({ refundId, payment, refund }) => ({
    tenant_id: payment.tenant,
    refund_id: refundId,
    order_id: payment.orderId,
    amount_minor_units: refund.amount,
    reason: refund.reason,
    return_id: refund.returnId ?? null,
    state: refund.doneReference === undefined ? "DUE" : "DONE",
  }));
  await sql`
    insert into refund (tenant_id, refund_id, order_id, amount_minor_units, reason, state, return_id, create_time)
    select booked.tenant_id, booked.refund_id, booked.order_id, booked.amount_minor_units,
      -- Of an erased customer nothing is written down in words.
      case when payment.erase_time is null then booked.reason else '' end, booked.state, booked.return_id, ${now}::timestamptz
    from ${givenRows("refund", rows)} as booked join payment using (tenant_id, order_id)`.execute(tx);
  await insertEntries(
    tx,
    booked.flatMap(({ refundId, payment, refund: { amount, doneReference } }) => {
      const movement = { type: "REFUND" as const, amount, providerReference: doneReference ?? "" };
      const refund = { refundId, createTime: now };
      return doneReference === undefined ? [] : [{ payment, movement: { ...movement, refund } }];
    }),
    now,
  );
  return booked.flatMap(({ refundId, payment, refund, cause }) =>
    refund.doneReference === undefined
      ? [{ kind: dueKinds.refund, tenant: payment.tenant, key: refundId, due: atOnce, cause }]
      : [],
  );
}

function eventsOf({ change, cause }: Decided, now: Date): OutgoingEvent[] {
  const { payment, facts } = change;
  const first = payment.sequence - facts.length + 1;
  return facts.map((fact, index) =>
    eventOf(payment, fact, { tenant: payment.tenant, sequence: first + index, time: now, cause }),
  );
}

function eventOf(payment: Payment, fact: Fact, about: Parameters<typeof outgoing>[2]): OutgoingEvent {
  const { orderId, paymentId, currencyCode } = payment;
  const money = (minorUnits: number) => ({ currencyCode, minorUnits: BigInt(minorUnits) });
  switch (fact.kind) {
    case "action_required":
      return outgoing(
        PaymentActionRequiredSchema,
        { orderId, paymentId, expireTime: timestampFromDate(payment.deadline) },
        about,
      );
    case "authorized":
      return outgoing(PaymentAuthorizedSchema, { orderId, paymentId, amount: money(fact.amount) }, about);
    case "declined":
      return outgoing(PaymentDeclinedSchema, { orderId, paymentId, code: fact.code }, about);
    case "captured":
      return outgoing(PaymentCapturedSchema, { orderId, paymentId, amount: money(fact.amount) }, about);
    case "voided":
      return outgoing(PaymentVoidedSchema, { orderId, paymentId, amount: money(fact.amount) }, about);
    case "refunded": {
      const remaining = money(fact.remaining);
      return outgoing(PaymentRefundedSchema, { orderId, paymentId, amount: money(fact.amount), remaining }, about);
    }
  }
}

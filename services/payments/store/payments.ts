// Rows of payments: read, locked, opened, changed.
import { sql, type Kysely, type Transaction } from "kysely";
import type { Payment } from "../domain/payment.ts";
import { givenRows } from "./given-rows.ts";

/** All SQL is written out, so the query builder needs to know no tables. */
export type PaymentsTables = Record<string, never>;

export interface OrderKey {
  tenant: string;
  orderId: string;
}

export const paymentColumns = sql`
  payment.tenant_id as tenant, payment.order_id as "orderId", payment.payment_id as "paymentId",
  payment.customer_id as "customerId", payment.state, payment.action,
  payment.currency_code as "currencyCode", payment.amount_minor_units as amount,
  coalesce(payment.cost_minor_units, payment.amount_minor_units) as cost, payment.lines, payment.parcels,
  payment.captures_due as "capturesDue", payment.captures_done as "capturesDone",
  payment.backs_due as "backsDue",
  payment.authorized_minor_units as authorized, payment.voided_minor_units as voided,
  payment.captured_minor_units as captured, payment.refund_booked_minor_units as "refundBooked",
  payment.refunded_minor_units as refunded, payment.decline_code as "declineCode",
  payment.payment_token as "paymentToken", payment.deadline, payment.ask_time as "askTime",
  payment.provider_reference as "providerReference", payment.cancel_requested as "cancelRequested",
  payment.void_reason as "voidReason",
  payment.refused_work as "refusedWork", payment.refused_code as "refusedCode", payment.undo_reason as "undoReason",
  payment.sequence, payment.version,
  payment.due_event_id as "dueEventId", payment.create_time as "createTime", payment.update_time as "updateTime"`;

/** The row as the database names it; for many rows at once in one parameter. */
const paymentRow = (payment: Payment) => ({
  tenant_id: payment.tenant,
  order_id: payment.orderId,
  payment_id: payment.paymentId,
  customer_id: payment.customerId,
  action: payment.action,
  state: payment.state,
  currency_code: payment.currencyCode,
  amount_minor_units: payment.amount,
  cost_minor_units: payment.cost,
  lines: payment.lines,
  parcels: payment.parcels,
  captures_due: payment.capturesDue,
  captures_done: payment.capturesDone,
  backs_due: payment.backsDue,
  authorized_minor_units: payment.authorized,
  voided_minor_units: payment.voided,
  captured_minor_units: payment.captured,
  refund_booked_minor_units: payment.refundBooked,
  refunded_minor_units: payment.refunded,
  decline_code: payment.declineCode,
  payment_token: payment.paymentToken,
  deadline: payment.deadline,
  provider_reference: payment.providerReference,
  cancel_requested: payment.cancelRequested,
  void_reason: payment.voidReason,
  refused_work: payment.refusedWork,
  refused_code: payment.refusedCode,
  undo_reason: payment.undoReason,
  sequence: payment.sequence,
  version: payment.version,
  due_event_id: payment.dueEventId,
  create_time: payment.createTime,
  update_time: payment.updateTime,
});

const asRows = (payments: readonly Payment[]) => givenRows("payment", payments.map(paymentRow));

export const keyOf = ({ tenant, orderId }: OrderKey): string => `${tenant}/${orderId}`;

const tenants = (keys: readonly OrderKey[]): string[] => keys.map(({ tenant }) => tenant);
const orderIds = (keys: readonly OrderKey[]): string[] => keys.map(({ orderId }) => orderId);

export async function readPayment(db: Kysely<PaymentsTables>, { tenant, orderId }: OrderKey): Promise<Payment | undefined> {
  const found = await sql<Payment>`
    select ${paymentColumns} from payment where tenant_id = ${tenant} and order_id = ${orderId}`.execute(db);
  return found.rows[0];
}

/** Locks payments until the transaction ends, always in the same order, so that two who lock many never wait in a circle. */
export async function lockPayments(tx: Transaction<PaymentsTables>, keys: readonly OrderKey[]): Promise<Map<string, Payment>> {
  const locked = await sql<Payment>`
    select ${paymentColumns} from payment
    where (tenant_id, order_id) in (select * from unnest(${tenants(keys)}::text[], ${orderIds(keys)}::text[]))
    order by tenant_id, order_id
    for update`.execute(tx);
  return new Map(locked.rows.map((payment) => [keyOf(payment), payment]));
}

/** Opens payments. Answers, for every order, the event that its payment came from: another's where it had one already. */
export async function insertPayments(
  tx: Transaction<PaymentsTables>,
  payments: readonly Payment[],
): Promise<{ inserted: Set<string>; dueEventIds: Map<string, string> }> {
  const inserted = await sql<OrderKey>`
    insert into payment (
      tenant_id, order_id, payment_id, customer_id, state, currency_code, amount_minor_units, cost_minor_units, lines, authorized_minor_units,
      voided_minor_units, captured_minor_units, refund_booked_minor_units, refunded_minor_units, payment_token, deadline,
      cancel_requested, sequence, version, due_event_id, create_time, update_time
    )
    select
      tenant_id, order_id, payment_id, customer_id, state, currency_code, amount_minor_units, cost_minor_units, lines, authorized_minor_units,
      voided_minor_units, captured_minor_units, refund_booked_minor_units, refunded_minor_units, payment_token, deadline,
      cancel_requested, sequence, version, due_event_id, create_time, update_time
    from ${asRows(payments)} as opened
    order by tenant_id, order_id
    on conflict (tenant_id, order_id) do nothing
    returning tenant_id as tenant, order_id as "orderId"`.execute(tx);
  const known = await sql<OrderKey & { dueEventId: string }>`
    select tenant_id as tenant, order_id as "orderId", due_event_id as "dueEventId" from payment
    where (tenant_id, order_id) in (select * from unnest(${tenants(payments)}::text[], ${orderIds(payments)}::text[]))`.execute(
    tx,
  );
  return {
    inserted: new Set(inserted.rows.map(keyOf)),
    dueEventIds: new Map(known.rows.map((row) => [keyOf(row), row.dueEventId])),
  };
}

/** Writes payments back. Throws where one is not as it was read, which the lock rules out. */
export async function updatePayments(tx: Transaction<PaymentsTables>, payments: readonly Payment[]): Promise<void> {
  const updated = await sql`
    update payment set
      state = changed.state,
      action = changed.action,
      amount_minor_units = changed.amount_minor_units,
      cost_minor_units = changed.cost_minor_units,
      lines = changed.lines,
      parcels = changed.parcels,
      captures_due = changed.captures_due,
      captures_done = changed.captures_done,
      backs_due = changed.backs_due,
      authorized_minor_units = changed.authorized_minor_units,
      voided_minor_units = changed.voided_minor_units,
      captured_minor_units = changed.captured_minor_units,
      refund_booked_minor_units = changed.refund_booked_minor_units,
      refunded_minor_units = changed.refunded_minor_units,
      decline_code = changed.decline_code,
      payment_token = changed.payment_token,
      provider_reference = changed.provider_reference,
      cancel_requested = changed.cancel_requested,
      void_reason = changed.void_reason,
      refused_work = changed.refused_work,
      refused_code = changed.refused_code,
      undo_reason = case when payment.erase_time is null or changed.undo_reason is null then changed.undo_reason else '' end,
      sequence = changed.sequence,
      version = payment.version + 1,
      update_time = changed.update_time
    from ${asRows(payments)} as changed
    where payment.tenant_id = changed.tenant_id and payment.order_id = changed.order_id
      and payment.version = changed.version`.execute(tx);
  if (updated.numAffectedRows !== BigInt(payments.length)) throw new Error("a payment was changed by another writer");
}

/** Notes that the provider is about to be asked about payments that are locked and pending. */
export async function markAsked(
  tx: Transaction<PaymentsTables>,
  { payments, now }: { payments: readonly OrderKey[]; now: Date },
): Promise<void> {
  if (payments.length === 0) return;
  await sql`
    update payment set ask_time = ${now}, version = version + 1
    where (tenant_id, order_id) in (select * from unnest(${tenants(payments)}::text[], ${orderIds(payments)}::text[]))
      and state = 'PENDING'`.execute(tx);
}

/** Remembers cancellations of orders that are not known yet. */
export async function insertTombstones(
  tx: Transaction<PaymentsTables>,
  { keys, now }: { keys: readonly OrderKey[]; now: Date },
): Promise<void> {
  await sql`
    insert into cancelled_order (tenant_id, order_id, cancel_time)
    select gone.tenant_id, gone.order_id, ${now}::timestamptz
    from unnest(${tenants(keys)}::text[], ${orderIds(keys)}::text[]) as gone (tenant_id, order_id)
    order by gone.tenant_id, gone.order_id
    on conflict do nothing`.execute(tx);
}

export async function readTombstones(db: Kysely<PaymentsTables>, keys: readonly OrderKey[]): Promise<Set<string>> {
  const found = await sql<OrderKey>`
    select tenant_id as tenant, order_id as "orderId" from cancelled_order
    where (tenant_id, order_id) in (select * from unnest(${tenants(keys)}::text[], ${orderIds(keys)}::text[]))`.execute(db);
  return new Set(found.rows.map(keyOf));
}

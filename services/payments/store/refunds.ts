// Refunds, the requests that led to them, and the ledger as it is shown.
import { sql, type Kysely, type Transaction } from "kysely";
import type { Movement } from "../domain/payment.ts";
import type { OrderKey, PaymentsTables } from "./payments.ts";

export interface RefundKey {
  tenant: string;
  refundId: string;
}

export interface Refund extends OrderKey, RefundKey {
  amount: number;
  state: "DUE" | "DONE" | "REFUSED";
  createTime: Date;
}

const refundColumns = sql`
  tenant_id as tenant, refund_id as "refundId", order_id as "orderId", amount_minor_units as amount, state,
  create_time as "createTime"`;

export async function readRefunds(db: Kysely<PaymentsTables>, keys: readonly RefundKey[]): Promise<Refund[]> {
  const found = await sql<Refund>`
    select ${refundColumns} from refund
    where (tenant_id, refund_id) in (
      select * from unnest(${keys.map(({ tenant }) => tenant)}::text[], ${keys.map(({ refundId }) => refundId)}::text[])
    )
    order by tenant_id, refund_id`.execute(db);
  return found.rows;
}

/** Marks refunds as given back. Answers those that were not before; their payments must be locked. */
export async function finishRefunds(tx: Transaction<PaymentsTables>, keys: readonly RefundKey[]): Promise<Refund[]> {
  const finished = await sql<Refund>`
    update refund set state = 'DONE'
    where state = 'DUE' and (tenant_id, refund_id) in (
      select * from unnest(${keys.map(({ tenant }) => tenant)}::text[], ${keys.map(({ refundId }) => refundId)}::text[])
    )
    returning ${refundColumns}`.execute(tx);
  return finished.rows.toSorted((one, other) => (one.refundId < other.refundId ? -1 : 1));
}

/** Marks refunds as refused for good. Answers those that were due until now; their payments must be locked. */
export async function refuseRefunds(
  tx: Transaction<PaymentsTables>,
  refused: readonly (RefundKey & { code: string })[],
): Promise<Refund[]> {
  if (refused.length === 0) return [];
  const marked = await sql<Refund>`
    update refund set state = 'REFUSED', refusal_code = refused.code
    from unnest(
      ${refused.map(({ tenant }) => tenant)}::text[],
      ${refused.map(({ refundId }) => refundId)}::text[],
      ${refused.map(({ code }) => code)}::text[]
    ) as refused (tenant, refund, code)
    where refund.state = 'DUE' and refund.tenant_id = refused.tenant and refund.refund_id = refused.refund
    returning ${refundColumns}`.execute(tx);
  return marked.rows.toSorted((one, other) => (one.refundId < other.refundId ? -1 : 1));
}

export interface RequestKey {
  tenant: string;
  requestId: string;
}

/**
 * Takes a request id for this transaction; a repeat that comes at the same time waits here until the first has
 * committed. Answers undefined where the id is new, else what was asked and answered under it.
 */
export async function claimRequest(
  tx: Transaction<PaymentsTables>,
  { tenant, requestId, contentHash, now }: RequestKey & { contentHash: string; now: Date },
): Promise<{ contentHash: string; answer: Uint8Array } | undefined> {
  const claimed = await sql`
    insert into refund_request (tenant_id, request_id, content_hash, create_time)
    values (${tenant}, ${requestId}, ${contentHash}, ${now})
    on conflict do nothing returning request_id`.execute(tx);
  if (claimed.rows.length > 0) return undefined;
  const first = await sql<{ contentHash: string; answer: Buffer }>`
    select content_hash as "contentHash", answer from refund_request
    where tenant_id = ${tenant} and request_id = ${requestId}`.execute(tx);
  return first.rows[0];
}

export async function saveAnswer(
  tx: Transaction<PaymentsTables>,
  { tenant, requestId, answer }: RequestKey & { answer: Uint8Array },
): Promise<void> {
  await sql`
    update refund_request set answer = ${Buffer.from(answer)}
    where tenant_id = ${tenant} and request_id = ${requestId} and answer is null`.execute(tx);
}

export interface ShownEntry {
  entryId: string;
  type: Movement["type"];
  amount: number;
  /** Empty where the refund is booked and the provider has yet to give the money back. */
  providerReference: string;
  createTime: Date;
}

/** What moved and what is booked to move, oldest first. */
export async function readLedger(db: Kysely<PaymentsTables>, { tenant, orderId }: OrderKey): Promise<ShownEntry[]> {
  const entries = await sql<ShownEntry>`
    select entry_id as "entryId", type, amount_minor_units as amount, provider_reference as "providerReference",
      create_time as "createTime"
    from ledger_entry where tenant_id = ${tenant} and order_id = ${orderId}
    union all
    select refund_id, 'REFUND', amount_minor_units, '', create_time
    from refund where tenant_id = ${tenant} and order_id = ${orderId} and state = 'DUE'
    order by "createTime", "entryId"`.execute(db);
  return entries.rows;
}

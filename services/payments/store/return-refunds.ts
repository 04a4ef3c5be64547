// Which returns have been paid back, or wait for it.
import { sql, type Kysely, type Transaction } from "kysely";
import type { OrderKey, PaymentsTables } from "./payments.ts";

export interface ReturnRefund extends OrderKey {
  returnId: string;
  /** What is given back, in minor units: at most what is wanted. */
  amount: number;
  wanted: number;
}

/** Of these returns those that were asked to be paid back before, as tenant and id. The payments of their orders are locked. */
export async function findAskedReturns(
  tx: Transaction<PaymentsTables>,
  returns: readonly { tenant: string; returnId: string }[],
): Promise<Set<string>> {
  const found = await sql<{ tenant: string; returnId: string }>`
    select tenant_id as tenant, return_id as "returnId" from return_refund
    where (tenant_id, return_id) in (
      select * from unnest(${returns.map(({ tenant }) => tenant)}::text[], ${returns.map(({ returnId }) => returnId)}::text[])
    )`.execute(tx);
  return new Set(found.rows.map(returnKeyOf));
}

/**
 * What was asked to be given back for all returns of orders, by order; those without a return are missing. Minor units. Parcels that
 * their carrier has brought back are asked for under their own ids, and are no returns.
 */
export async function readReturnsWanted(
  db: Kysely<PaymentsTables>,
  { tenant, orderIds }: { tenant: string; orderIds: readonly string[] },
): Promise<Map<string, number>> {
  const read = await sql<{ orderId: string; wanted: number }>`
    select order_id as "orderId", sum(wanted_minor_units)::bigint as wanted from return_refund
    where tenant_id = ${tenant} and order_id = any(${[...orderIds]}::text[]) and not starts_with(return_id, 'shp_')
    group by order_id`.execute(db);
  return new Map(read.rows.map(({ orderId, wanted }) => [orderId, wanted]));
}

export const returnKeyOf = ({ tenant, returnId }: { tenant: string; returnId: string }): string => `${tenant}/${returnId}`;

/** One that had to wait is written a second time once it is paid back. */
export async function saveReturnRefunds(
  tx: Transaction<PaymentsTables>,
  refunds: readonly ReturnRefund[],
  now: Date,
): Promise<void> {
  if (refunds.length === 0) return;
  await sql`
    insert into return_refund (tenant_id, return_id, order_id, amount_minor_units, wanted_minor_units, create_time)
    select *, ${now}::timestamptz from unnest(
      ${refunds.map(({ tenant }) => tenant)}::text[],
      ${refunds.map(({ returnId }) => returnId)}::text[],
      ${refunds.map(({ orderId }) => orderId)}::text[],
      ${refunds.map(({ amount }) => amount)}::bigint[],
      ${refunds.map(({ wanted }) => wanted)}::bigint[]
    )
    on conflict (tenant_id, return_id) do update set amount_minor_units = excluded.amount_minor_units`.execute(tx);
}

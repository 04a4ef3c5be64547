// What of payments may identify a person: what people have written about refunds. The buyer's token is gone once the provider has
// answered, and cards are the provider's.
import { sql, type Kysely, type Transaction } from "kysely";
import { remaindersMax, type PersonalData, type PersonalRecord, type Remainder } from "#runtime/privacy/personal-data.ts";
import type { OrderKey, PaymentsTables } from "./payments.ts";

/** Amounts, states and the ledger stay. A payment that is refunded later keeps no words either. */
export async function erasePayments(
  tx: Transaction<PaymentsTables>,
  { orders, now }: { orders: readonly OrderKey[]; now: Date },
): Promise<void> {
  const wanted = sql`
    select * from unnest(${orders.map(({ tenant }) => tenant)}::text[], ${orders.map(({ orderId }) => orderId)}::text[])`;
  await sql`
    update payment set erase_time = ${now}, undo_reason = case when undo_reason is not null then '' end
    where (tenant_id, order_id) in (
      select tenant_id, order_id from payment where (tenant_id, order_id) in (${wanted})
      order by tenant_id, order_id
      for update
    )`.execute(tx);
  await sql`update refund set reason = '' where (tenant_id, order_id) in (${wanted})`.execute(tx);
}

/** A payment is an order's, and whose that is payments does not know: it is asked by order. */
export function paymentData(db: Kysely<PaymentsTables>): PersonalData {
  return {
    list: async ({ tenant, orderIds }, after) => {
      if (orderIds.length === 0) return { records: [] };
      const read = await sql<PersonalRecord>`
        select 'payment' as kind, payment_id as id,
          to_jsonb(payment) - '{tenant_id,payment_token,action,due_event_id,sequence,version}'::text[] || jsonb_build_object('ledger', (
            select coalesce(jsonb_agg(to_jsonb(entry) - '{tenant_id,order_id}'::text[] order by create_time, entry_id), '[]')
            from ledger_entry as entry
            where entry.tenant_id = payment.tenant_id and entry.order_id = payment.order_id
          )) as content
        from payment
        where tenant_id = ${tenant} and order_id = any(${[...orderIds]}::text[]) and order_id > ${after ?? ""}
        order by order_id`.execute(db);
      return { records: read.rows };
    },

    remainders: async ({ tenant, orderIds }) => {
      if (orderIds.length === 0) return [];
      const read = await sql<Remainder>`
        select 'payment' as kind, payment_id as id, case when payment_token is null then 'SOON' else state end as reason
        from payment
        where tenant_id = ${tenant} and order_id = any(${[...orderIds]}::text[])
          and (erase_time is null or payment_token is not null)
        limit ${remaindersMax}`.execute(db);
      return read.rows;
    },
  };
}

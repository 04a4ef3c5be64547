// What of letters identifies a person: the events that they hold.
import { sql, type Kysely, type Transaction } from "kysely";
import {
  pageOf,
  recordsMax,
  remaindersMax,
  type PersonalData,
  type PersonalRecord,
  type Remainder,
} from "#runtime/privacy/personal-data.ts";

export interface OrderKey {
  tenant: string;
  orderId: string;
}

/** Kind of the due work that looks for letters which were closed before. */
export const forgetKind = "operations.forget_letters";

/** From now on a letter of these orders loses its event as it is closed. */
export async function rememberErased<Tables>(
  tx: Transaction<Tables>,
  { orders, now }: { orders: readonly OrderKey[]; now: Date },
): Promise<void> {
  await sql`
    insert into erased_order (tenant_id, order_id, erase_time)
    select tenant_id, order_id, ${now}::timestamptz from unnest(
      ${orders.map(({ tenant }) => tenant)}::text[], ${orders.map(({ orderId }) => orderId)}::text[]
    ) as gone (tenant_id, order_id)
    order by tenant_id, order_id
    on conflict do nothing`.execute(tx);
}

/** Takes the events out of letters of these orders that were closed before. */
export async function eraseClosedLetters<Tables>(tx: Transaction<Tables>, orders: readonly OrderKey[]): Promise<void> {
  await sql`
    update dead_letter set payload = null
    where (tenant_id, key) in (
      select * from unnest(${orders.map(({ tenant }) => tenant)}::text[], ${orders.map(({ orderId }) => orderId)}::text[])
    ) and state in ('resolved', 'discarded') and send_kind is null and payload is not null`.execute(tx);
}

/** Letters are asked for by order: their keys are those of orders. */
export function letterData<Tables>(db: Kysely<Tables>): PersonalData {
  return {
    list: async ({ tenant, orderIds }, after) => {
      if (orderIds.length === 0) return { records: [] };
      const read = await sql<PersonalRecord>`
        select 'dead_letter' as kind, letter_id as id,
          jsonb_build_object('state', state, 'type', type_name, 'order_id', key, 'first_failure_time', first_failure_time,
            'payload', encode(payload, 'base64')) as content
        from dead_letter
        where tenant_id = ${tenant} and key = any(${[...orderIds]}::text[]) and letter_id > ${after ?? ""}
        order by letter_id
        limit ${recordsMax + 1}`.execute(db);
      return pageOf(read.rows, ({ id }) => id);
    },

    remainders: async ({ tenant, orderIds }) => {
      if (orderIds.length === 0) return [];
      const read = await sql<Remainder>`
        select 'dead_letter' as kind, letter_id as id, case when close_time is null then 'OPEN' else 'SOON' end as reason
        from dead_letter
        where tenant_id = ${tenant} and key = any(${[...orderIds]}::text[]) and payload is not null
        limit ${remaindersMax}`.execute(db);
      return read.rows;
    },
  };
}

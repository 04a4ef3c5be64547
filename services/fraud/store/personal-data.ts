// What of assessments identifies a person: what the rules looked at and saw, and what somebody wrote about it.
import { sql, type Kysely, type Transaction } from "kysely";
import {
  pageOf,
  recordsMax,
  remaindersMax,
  type PersonalData,
  type PersonalRecord,
  type Remainder,
} from "#runtime/privacy/personal-data.ts";
import type { OrderKey, Tables } from "./tables.ts";

/** Of orders that are final: which rules matched stays, and what they weighed. */
export async function eraseAssessments(tx: Transaction<Tables>, orders: readonly OrderKey[]): Promise<void> {
  await eraseSight(tx, orders);
  await sql`
    delete from review_note where (tenant_id, order_id) in (
      select * from unnest(${orders.map(({ tenant }) => tenant)}::text[], ${orders.map(({ orderId }) => orderId)}::text[])
    )`.execute(tx);
}

async function eraseSight(tx: Transaction<Tables>, orders: readonly OrderKey[]): Promise<void> {
  await sql`
    update assessment set decision_note = '', card_bin = '', device_fingerprint = '', email = '', address_hash = '', facts = null,
      observed = null, erase_time = now(), matches = coalesce((
      select jsonb_agg(match || '{"explanation": ""}' order by place)
      from jsonb_array_elements(matches) with ordinality as seen (match, place)
    ), '[]')
    where (tenant_id, order_id) in (
      select tenant_id, order_id from assessment
      where (tenant_id, order_id) in (
        select * from unnest(${orders.map(({ tenant }) => tenant)}::text[], ${orders.map(({ orderId }) => orderId)}::text[])
      )
      order by tenant_id, order_id
      for update
    )`.execute(tx);
}

const isTold = sql`
  decision_note <> '' or facts is not null
  or exists (select from review_note where tenant_id = assessment.tenant_id and order_id = assessment.order_id) or exists (select from jsonb_array_elements(matches) as match where match ->> 'explanation' <> '')`;

export function assessmentData(db: Kysely<Tables>): PersonalData {
  return {
    list: async ({ tenant, customerId, orderIds }, after) => {
      if (orderIds.length > 0) return { records: [] };
      const read = await sql<PersonalRecord>`
        select 'assessment' as kind, order_id as id,
          to_jsonb(assessment) - '{tenant_id,order_event_id,event_count,decided_by,claimed_by,claim_expire_time,erase_time}'::text[]
            || jsonb_build_object('notes', array(
              select text from review_note as note
              where note.tenant_id = assessment.tenant_id and note.order_id = assessment.order_id order by note_number
            )) as content
        from assessment
        where tenant_id = ${tenant} and customer_id = ${customerId} and order_id > ${after ?? ""}
        order by order_id
        limit ${recordsMax + 1}`.execute(db);
      return pageOf(read.rows, ({ id }) => id);
    },

    // Asked by order, so that those of orders under way are waited for where the orders are.
    remainders: async ({ tenant, orderIds }) => {
      if (orderIds.length === 0) return [];
      const read = await sql<Remainder>`
        select 'assessment' as kind, order_id as id, 'SOON' as reason from assessment
        where tenant_id = ${tenant} and order_id = any(${[...orderIds]}::text[]) and (${isTold})
        limit ${remaindersMax}`.execute(db);
      return read.rows;
    },
  };
}

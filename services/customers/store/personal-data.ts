// What the service itself keeps about a customer.
import { sql, type Kysely } from "kysely";
import {
  pageOf,
  recordsMax,
  remaindersMax,
  type PersonalData,
  type PersonalRecord,
  type Remainder,
} from "#runtime/privacy/personal-data.ts";
import type { CustomersTables } from "./tables.ts";

export function customerData(db: Kysely<CustomersTables>): PersonalData {
  return {
    list: async ({ tenant, customerId, orderIds }, after) => {
      if (orderIds.length > 0) return { records: [] };
      // Keys such as "1:customer" and "3:0000000017": kinds in this order, and in each the keys of its rows.
      const read = await sql<PersonalRecord & { key: string }>`
        select key, kind, id, content from (
          select '1:customer' as key, 'customer' as kind, customer_id as id,
            to_jsonb(customer) - '{tenant_id,version,consents,events_sent}'::text[] as content
          from customer where tenant_id = ${tenant} and customer_id = ${customerId}
          union all
          select '2:' || address_id, 'address', address_id, to_jsonb(address) - '{tenant_id,version}'::text[]
          from address where tenant_id = ${tenant} and customer_id = ${customerId}
          union all
          select '3:' || lpad(sequence::text, 10, '0'), 'consent', consent_id, to_jsonb(consent) - '{tenant_id}'::text[]
          from consent where tenant_id = ${tenant} and customer_id = ${customerId}
        ) as record
        where key collate "C" > ${after ?? ""}
        order by key collate "C"
        limit ${recordsMax + 1}`.execute(db);
      return pageOf(read.rows, ({ key }) => key);
    },

    // The customer is erased in one transaction, which leaves nothing.
    remainders: async ({ tenant, customerId, orderIds }) => {
      if (orderIds.length > 0) return [];
      const read = await sql<Remainder>`
        select kind, id, 'SOON' as reason from (
          select 'address' as kind, address_id as id from address
          where tenant_id = ${tenant} and customer_id = ${customerId}
          union all
          select 'consent', consent_id from consent where tenant_id = ${tenant} and customer_id = ${customerId}
        ) as remainder
        limit ${remaindersMax}`.execute(db);
      return read.rows;
    },
  };
}

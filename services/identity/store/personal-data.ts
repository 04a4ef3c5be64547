// What identity keeps about a person: its account and its sessions.
import { sql, type Kysely, type Transaction } from "kysely";
import {
  pageOf,
  recordsMax,
  remaindersMax,
  type PersonalData,
  type PersonalRecord,
  type Remainder,
} from "#runtime/privacy/personal-data.ts";
import { forgetAttempts } from "./accounts.ts";
import type { IdentityTables } from "./tables.ts";

interface CustomerKey {
  tenant: string;
  customerId: string;
}

/** Nobody else makes or erases an account for the customer until the transaction ends. */
export async function lockCustomer(tx: Transaction<IdentityTables>, { tenant, customerId }: CustomerKey): Promise<void> {
  const name = `identity.customer:${tenant}:${customerId}`;
  await sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`.execute(tx);
}

export async function isErased(tx: Transaction<IdentityTables>, { tenant, customerId }: CustomerKey): Promise<boolean> {
  const read = await sql`
    select from erased_customer where tenant_id = ${tenant} and customer_id = ${customerId}`.execute(tx);
  return read.rows.length > 0;
}

/** The account goes, and with it the count of wrong passwords. Waits for sign-ins that have seen the account. */
export async function eraseAccount(tx: Transaction<IdentityTables>, key: CustomerKey, now: Date): Promise<void> {
  const { tenant, customerId } = key;
  await lockCustomer(tx, key);
  await sql`
    insert into erased_customer (tenant_id, customer_id, erase_time) values (${tenant}, ${customerId}, ${now})
    on conflict do nothing`.execute(tx);
  const deleted = await sql<{ login: string }>`
    delete from account where tenant_id = ${tenant} and customer_id = ${customerId} returning login`.execute(tx);
  for (const { login } of deleted.rows) await forgetAttempts(tx, { tenant, login });
}

/** No hashes and no secrets. */
export function accountData(db: Kysely<IdentityTables>): PersonalData {
  return {
    list: async ({ tenant, customerId, orderIds }, after) => {
      if (orderIds.length > 0) return { records: [] };
      const read = await sql<PersonalRecord & { key: string }>`
        select key, kind, id, content from (
          select '1:account' as key, 'account' as kind, customer_id as id,
            to_jsonb(account) - '{tenant_id,password_hash}'::text[] as content
          from account where tenant_id = ${tenant} and customer_id = ${customerId}
          union all
          select '2:' || session_id, 'session', session_id, to_jsonb(session) - '{tenant_id}'::text[]
          from session where tenant_id = ${tenant} and customer_id = ${customerId}
        ) as record
        where key collate "C" > ${after ?? ""}
        order by key collate "C"
        limit ${recordsMax + 1}`.execute(db);
      return pageOf(read.rows, ({ key }) => key);
    },

    // Ended sessions name nobody but the customer's id, and go when their time is over.
    remainders: async ({ tenant, customerId, orderIds }) => {
      if (orderIds.length > 0) return [];
      const read = await sql<Remainder>`
        select kind, id, 'SOON' as reason from (
          select 'account' as kind, customer_id as id from account
          where tenant_id = ${tenant} and customer_id = ${customerId}
          union all
          select 'session', session_id from session
          where tenant_id = ${tenant} and customer_id = ${customerId} and end_time is null
        ) as remainder
        limit ${remaindersMax}`.execute(db);
      return read.rows;
    },
  };
}

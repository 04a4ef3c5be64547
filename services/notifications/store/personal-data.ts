// What identifies a customer: what it said about being told, a message that is under way, and events for other programs.
import { sql, type Kysely, type Transaction } from "kysely";
import {
  pageOf,
  recordsMax,
  remaindersMax,
  type PersonalData,
  type PersonalRecord,
  type Remainder,
} from "#runtime/privacy/personal-data.ts";
import { isErasable } from "./deliveries.ts";
import { lockCustomer } from "./preferences.ts";
import type { CustomerKey, NotificationsTables } from "./tables.ts";

/** What may be in the hands of a mail server is not taken back; nothing of it is kept. */
export async function eraseCustomer(tx: Transaction<NotificationsTables>, customer: CustomerKey, now: Date): Promise<void> {
  const { tenant, customerId } = customer;
  await lockCustomer(tx, customer);
  await sql`
    insert into erased_customer (tenant_id, customer_id) values (${tenant}, ${customerId}) on conflict do nothing`.execute(tx);
  await sql`delete from preference where tenant_id = ${tenant} and customer_id = ${customerId}`.execute(tx);
  await sql`
    update notification set message = null, reason = 'CUSTOMER_ERASED', update_time = ${now},
      state = case state when 'SENDING' then 'UNKNOWN' else 'SKIPPED' end
    where tenant_id = ${tenant} and customer_id = ${customerId} and state in ('PLANNED', 'SENDING')`.execute(tx);
}

/** What is told of an order, as it was sent. Of a customer there is only its id, and what it agreed to. */
async function ofOrders(
  db: Kysely<NotificationsTables>,
  { tenant, orderIds }: { tenant: string; orderIds: readonly string[] },
  after: string | undefined,
): ReturnType<PersonalData["list"]> {
  const read = await sql<PersonalRecord>`
    select 'webhook_delivery' as kind, delivery_id as id, payload::json as content from webhook_delivery
    where tenant_id = ${tenant} and event_key = any(${[...orderIds]}::text[]) and payload is not null
      and delivery_id > ${after ?? ""}
    order by delivery_id
    limit ${recordsMax + 1}`.execute(db);
  return pageOf(read.rows, ({ id }) => id);
}

export function notificationData(db: Kysely<NotificationsTables>): PersonalData {
  return {
    list: async ({ tenant, customerId, orderIds }, after) => {
      if (orderIds.length > 0) return ofOrders(db, { tenant, orderIds }, after);
      const read = await sql<PersonalRecord & { key: string }>`
        select key, kind, id, content from (
          select '1:' || fact || ':' || channel as key, 'preference' as kind, fact || ':' || channel as id,
            to_jsonb(preference) - 'tenant_id' as content
          from preference where tenant_id = ${tenant} and customer_id = ${customerId}
          union all
          select '2:' || notification_id, 'notification', notification_id,
            to_jsonb(notification) - '{tenant_id,subject_id}'::text[]
          from notification where tenant_id = ${tenant} and customer_id = ${customerId}
        ) as record
        where key collate "C" > ${after ?? ""}
        order by key collate "C"
        limit ${recordsMax + 1}`.execute(db);
      return pageOf(read.rows, ({ key }) => key);
    },

    remainders: async ({ tenant, customerId, orderIds }) => {
      const keys = orderIds.length > 0 ? orderIds : [customerId];
      const told = await sql<Remainder>`
        select 'webhook_delivery' as kind, delivery_id as id, 'SOON' as reason from webhook_delivery
        where tenant_id = ${tenant} and event_key = any(${[...keys]}::text[]) and payload is not null and ${isErasable}
        limit ${remaindersMax}`.execute(db);
      if (orderIds.length > 0 || told.rows.length > 0) return told.rows;
      const read = await sql<Remainder>`
        select 'preference' as kind, fact || ':' || channel as id, 'SOON' as reason from preference
        where tenant_id = ${tenant} and customer_id = ${customerId}
        union all
        select 'notification', notification_id, state from notification
        where tenant_id = ${tenant} and customer_id = ${customerId} and state in ('PLANNED', 'SENDING')
        limit ${remaindersMax}`.execute(db);
      return read.rows;
    },
  };
}

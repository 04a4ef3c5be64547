// Notifications: one row for each fact and channel, claimed before anything is sent.
import { sql, type Kysely, type Transaction } from "kysely";
import { newId } from "#runtime/ids.ts";
import type { Fact, FactData, Money } from "../domain/facts.ts";
import type { Message, Notification, Settled } from "../domain/notification.ts";
import type { NotificationsTables, OrderKey } from "./tables.ts";

/** Due work that sends one notification; its key is the notification's id. */
export const sendKind = "notifications.send";

export interface HeardOrder extends OrderKey {
  customerId: string;
  total: Money | undefined;
}

export interface HeardFact extends OrderKey {
  fact: Fact;
  /** The event of a refund, a change, a parcel or a return; empty for what happens once. */
  subjectId: string;
  data: FactData;
  time: Date;
}

export async function rememberOrders(
  tx: Transaction<NotificationsTables>,
  orders: readonly HeardOrder[],
  now: Date,
): Promise<void> {
  if (orders.length === 0) return;
  await sql`
    insert into heard_order (tenant_id, order_id, customer_id, total, hear_time)
    select tenant_id, order_id, customer_id, total::json, ${now} from unnest(
      ${orders.map(({ tenant }) => tenant)}::text[],
      ${orders.map(({ orderId }) => orderId)}::text[],
      ${orders.map(({ customerId }) => customerId)}::text[],
      ${orders.map(({ total }) => (total ? JSON.stringify(total) : null))}::text[]
    ) as heard (tenant_id, order_id, customer_id, total)
    order by tenant_id, order_id
    on conflict do nothing`.execute(tx);
}

/**
 * Makes what is to be sent of each fact: a mail, and what the customer has asked for on other channels. A fact that was heard
 * before makes nothing. Answers the ids of what is to be sent; where there is nobody to carry mail, mails are skipped at once.
 */
export async function insertNotifications(
  tx: Transaction<NotificationsTables>,
  heard: readonly HeardFact[],
  { now, hasMailer }: { now: Date; hasMailer: boolean },
): Promise<{ notificationId: string; orderId: string }[]> {
  if (heard.length === 0) return [];
  const inserted = await sql<{ notificationId: string; orderId: string; state: string }>`
    insert into notification (tenant_id, notification_id, order_id, customer_id, fact, channel, subject_id, state, reason, data,
      fact_time, create_time, update_time)
    select heard.tenant_id, case channel when 'email' then mail_id when 'sms' then sms_id else push_id end,
      heard.order_id, coalesce(heard_order.customer_id, ''), heard.fact, channel, heard.subject_id,
      case when channel = 'email' and not ${hasMailer}::boolean then 'SKIPPED' else 'PLANNED' end,
      case when channel = 'email' and not ${hasMailer}::boolean then 'NO_MAILER' else '' end,
      heard.data::json, heard.fact_time, ${now}::timestamptz, ${now}::timestamptz
    from unnest(
      ${heard.map(({ tenant }) => tenant)}::text[],
      ${heard.map(({ orderId }) => orderId)}::text[],
      ${heard.map(({ fact }) => fact)}::text[],
      ${heard.map(({ subjectId }) => subjectId)}::text[],
      ${heard.map(({ data }) => JSON.stringify(data))}::text[],
      ${heard.map(({ time }) => time)}::timestamptz[],
      ${heard.map(() => newId("ntf"))}::text[],
      ${heard.map(() => newId("ntf"))}::text[],
      ${heard.map(() => newId("ntf"))}::text[]
    ) as heard (tenant_id, order_id, fact, subject_id, data, fact_time, mail_id, sms_id, push_id)
    left join heard_order using (tenant_id, order_id)
    cross join lateral (
      select 'email' as channel
      union all
      select channel from preference
      where preference.tenant_id = heard.tenant_id and preference.customer_id = heard_order.customer_id
        and preference.fact = heard.fact and channel <> 'email' and enabled
    ) as wanted
    order by heard.tenant_id, heard.order_id
    on conflict do nothing
    returning notification_id as "notificationId", order_id as "orderId", state`.execute(tx);
  return inserted.rows.filter(({ state }) => state === "PLANNED");
}

const notificationColumns = sql`
  notification_id as "notificationId", order_id as "orderId", customer_id as "customerId", fact, channel, state, reason, provider,
  language, attempts, data, message, claim_time as "claimTime", fact_time as "factTime", update_time as "updateTime"`;

export async function readNotification(
  db: Kysely<NotificationsTables>,
  { tenant, notificationId }: { tenant: string; notificationId: string },
): Promise<Notification | undefined> {
  const read = await sql<Notification>`
    select ${notificationColumns},
      (select total from heard_order where heard_order.tenant_id = ${tenant} and heard_order.order_id = notification.order_id) as total
    from notification where tenant_id = ${tenant} and notification_id = ${notificationId}`.execute(db);
  return read.rows[0];
}

/** Pages by id, which sorts by time. */
export async function listNotifications(
  db: Kysely<NotificationsTables>,
  wanted: { tenant: string; orderId?: string; state?: string | undefined; beyond: string | undefined; rowsMax: number },
): Promise<Notification[]> {
  const { tenant, orderId, state, beyond = null, rowsMax } = wanted;
  // Of one order the oldest first, of all the newest.
  const page = orderId
    ? sql`and order_id = ${orderId} and (${beyond}::text is null or notification_id > ${beyond}) order by notification_id`
    : sql`and (${beyond}::text is null or notification_id < ${beyond}) order by notification_id desc`;
  const read = await sql<Notification>`
    select ${notificationColumns}, null as total from notification
    where tenant_id = ${tenant} ${state ? sql`and state = ${state}` : sql``} ${page}
    limit ${rowsMax}`.execute(db);
  return read.rows;
}

/** Of several that want to send the same, one gets it. Answers the number of the attempt; undefined for the others. */
export async function claimNotification(
  tx: Transaction<NotificationsTables>,
  { tenant, notificationId }: { tenant: string; notificationId: string },
  claim: { message: Message; customerId: string; provider: string; language: string; now: Date },
): Promise<number | undefined> {
  const claimed = await sql<{ attempts: number }>`
    update notification set state = 'SENDING', reason = '', attempts = attempts + 1, message = ${JSON.stringify(claim.message)}::json,
      customer_id = ${claim.customerId}, provider = ${claim.provider}, language = ${claim.language}, claim_time = ${claim.now},
      update_time = ${claim.now}
    where tenant_id = ${tenant} and notification_id = ${notificationId} and state = 'PLANNED'
      and not exists (
        select from erased_customer where tenant_id = ${tenant} and customer_id = ${claim.customerId})
    returning attempts`.execute(tx);
  return claimed.rows[0]?.attempts;
}

/** Counts a repeat of what was claimed before. */
export async function countRepeat(
  tx: Transaction<NotificationsTables>,
  { tenant, notificationId }: { tenant: string; notificationId: string },
): Promise<number | undefined> {
  const counted = await sql<{ attempts: number }>`
    update notification set attempts = attempts + 1
    where tenant_id = ${tenant} and notification_id = ${notificationId} and state = 'SENDING'
    returning attempts`.execute(tx);
  return counted.rows[0]?.attempts;
}

/** What is final stays as it is, and what is under way is not skipped. */
export async function settleNotification(
  tx: Transaction<NotificationsTables>,
  { tenant, notificationId }: { tenant: string; notificationId: string },
  { settled, now }: { settled: Settled; now: Date },
): Promise<void> {
  await sql`
    update notification set state = ${settled.state}, reason = ${settled.reason}, update_time = ${now},
      message = case when ${settled.state} = 'SENDING' then message end
    where tenant_id = ${tenant} and notification_id = ${notificationId}
      and (state = 'PLANNED' or state = 'SENDING' and ${settled.state} <> 'SKIPPED')`.execute(tx);
}

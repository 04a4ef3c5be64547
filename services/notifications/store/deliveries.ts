// What endpoints are told: made once for each event, claimed while it is called, written down with each call.
import { sql, type Kysely, type Transaction } from "kysely";
import { newId } from "#runtime/ids.ts";
import type { AfterCall, DeliveryState } from "../domain/webhook.ts";
import type { EndpointKey } from "./endpoints.ts";
import type { NotificationsTables } from "./tables.ts";

/** Due work that calls one endpoint; its key is the endpoint's id. */
export const deliverKind = "notifications.deliver";

export interface Attempt {
  attemptTime: Date;
  durationMs: number;
  statusCode: number;
  error: string;
  responseStart: string;
}

export interface Delivery {
  deliveryId: string;
  endpointId: string;
  eventId: string;
  eventType: string;
  state: DeliveryState;
  attempts: number;
  nextAttemptTime: Date | null;
  createTime: Date;
  isErased: boolean;
  calls: Attempt[];
}

export interface NewDelivery extends EndpointKey {
  eventId: string;
  eventType: string;
  eventKey: string;
  payload: string;
  state: "PENDING" | "WITHHELD";
}

/** Calls of a delivery that are shown. */
const callsMax = 20;

/** Answers their ids; an event that was heard before makes none. */
export async function insertDeliveries(
  tx: Transaction<NotificationsTables>,
  deliveries: readonly NewDelivery[],
  now: Date,
): Promise<string[]> {
  if (deliveries.length === 0) return [];
  const inserted = await sql<{ deliveryId: string }>`
    insert into webhook_delivery (tenant_id, delivery_id, endpoint_id, event_id, event_type, event_key, payload, state,
      next_attempt_time, create_time)
    select tenant_id, delivery_id, endpoint_id, event_id, event_type, event_key, payload, state, ${now}::timestamptz,
      ${now}::timestamptz
    from unnest(
      ${deliveries.map(({ tenant }) => tenant)}::text[],
      ${deliveries.map(() => newId("whd"))}::text[],
      ${deliveries.map(({ endpointId }) => endpointId)}::text[],
      ${deliveries.map(({ eventId }) => eventId)}::text[],
      ${deliveries.map(({ eventType }) => eventType)}::text[],
      ${deliveries.map(({ eventKey }) => eventKey)}::text[],
      ${deliveries.map(({ payload }) => payload)}::text[],
      ${deliveries.map(({ state }) => state)}::text[]
    ) as new (tenant_id, delivery_id, endpoint_id, event_id, event_type, event_key, payload, state)
    -- One that is being removed is not told any more.
    where exists (
      select from webhook_endpoint
      where webhook_endpoint.tenant_id = new.tenant_id and webhook_endpoint.endpoint_id = new.endpoint_id
      for key share)
    on conflict do nothing
    returning delivery_id as "deliveryId"`.execute(tx);
  return inserted.rows.map(({ deliveryId }) => deliveryId);
}

export interface ClaimedDelivery {
  deliveryId: string;
  eventId: string;
  payload: string;
  attempt: number;
}

/**
 * Claims what is due, the longest waiting first, so that no more than the given number is under way at the endpoint. The time is the
 * database's, as that of due work is. The endpoint is locked by the caller.
 */
export async function claimDeliveries(
  tx: Transaction<NotificationsTables>,
  { tenant, endpointId }: EndpointKey,
  { underWayMax, claimSeconds }: { underWayMax: number; claimSeconds: number },
): Promise<ClaimedDelivery[]> {
  const claimed = await sql<ClaimedDelivery>`
    update webhook_delivery set attempts = attempts + 1, claimed_until = now() + make_interval(secs => ${claimSeconds})
    where tenant_id = ${tenant} and delivery_id = any(array(
      select delivery_id from webhook_delivery
      where tenant_id = ${tenant} and endpoint_id = ${endpointId} and state = 'PENDING' and next_attempt_time <= now()
        and (claimed_until is null or claimed_until <= now())
      order by next_attempt_time, delivery_id
      limit greatest(0, ${underWayMax}::bigint - (
        select count(*) from webhook_delivery
        where tenant_id = ${tenant} and endpoint_id = ${endpointId} and state = 'PENDING' and claimed_until > now()))
      for update skip locked))
    returning delivery_id as "deliveryId", event_id as "eventId", payload, attempts as attempt`.execute(tx);
  return claimed.rows;
}

/** What became of a claimed delivery; one that was changed meanwhile, or claimed by another, keeps what it has. */
export async function saveCall(
  tx: Transaction<NotificationsTables>,
  tenant: string,
  { deliveryId, attempt, call, after }: { deliveryId: string; attempt: number; call: Attempt; after: AfterCall },
): Promise<void> {
  await sql`
    insert into webhook_attempt (tenant_id, delivery_id, attempt_time, duration_ms, status_code, error, response_start)
    select ${tenant}, delivery_id, ${call.attemptTime}::timestamptz, ${call.durationMs}::integer, ${call.statusCode}::integer,
      ${call.error}, case when payload is null then '' else ${call.responseStart} end
    from webhook_delivery where tenant_id = ${tenant} and delivery_id = ${deliveryId}
    on conflict do nothing`.execute(tx);
  await sql`
    update webhook_delivery set state = ${after.state}, claimed_until = null,
      next_attempt_time = case when ${after.state} = 'PENDING' then now() + make_interval(secs => ${(after.againInMs ?? 0) / 1_000}) end
    where tenant_id = ${tenant} and delivery_id = ${deliveryId} and state = 'PENDING' and attempts = ${attempt}`.execute(tx);
}

/** What waits for an endpoint that is disabled waits for a replay. */
export async function withholdPending(tx: Transaction<NotificationsTables>, { tenant, endpointId }: EndpointKey): Promise<void> {
  await sql`
    update webhook_delivery set state = 'WITHHELD', next_attempt_time = null, claimed_until = null
    where tenant_id = ${tenant} and endpoint_id = ${endpointId} and state = 'PENDING'`.execute(tx);
}

/** When there is something to do for the endpoint again, by the database's clock, and what time that has now. */
export async function nextAttempt(
  tx: Transaction<NotificationsTables>,
  { tenant, endpointId }: EndpointKey,
): Promise<{ time: Date; now: Date } | undefined> {
  const read = await sql<{ time: Date | null; now: Date }>`
    select min(greatest(next_attempt_time, claimed_until)) as time, clock_timestamp() as now from webhook_delivery
    where tenant_id = ${tenant} and endpoint_id = ${endpointId} and state = 'PENDING'`.execute(tx);
  const { time = null, now = new Date() } = read.rows[0] ?? {};
  return time === null ? undefined : { time, now };
}

/** Newest first; with the newest calls of each. */
export async function listDeliveries(
  db: Kysely<NotificationsTables>,
  wanted: EndpointKey & { deliveryId?: string; state?: DeliveryState | undefined; before: string | undefined; rowsMax: number },
): Promise<Delivery[]> {
  const { tenant, endpointId, deliveryId = null, state = null, before = null, rowsMax } = wanted;
  const read = await sql<Omit<Delivery, "calls"> & { calls: (Omit<Attempt, "attemptTime"> & { attemptTime: string })[] }>`
    select delivery_id as "deliveryId", endpoint_id as "endpointId", event_id as "eventId", event_type as "eventType", state, attempts,
      case when state = 'PENDING' then next_attempt_time end as "nextAttemptTime", create_time as "createTime",
      payload is null as "isErased", coalesce((
        select json_agg(newest order by "attemptTime") from (
          select attempt_time as "attemptTime", duration_ms as "durationMs", status_code as "statusCode", error,
            response_start as "responseStart"
          from webhook_attempt
          where webhook_attempt.tenant_id = ${tenant} and webhook_attempt.delivery_id = webhook_delivery.delivery_id
          order by attempt_time desc limit ${callsMax}
        ) as newest), '[]') as calls
    from webhook_delivery
    where tenant_id = ${tenant} and endpoint_id = ${endpointId}
      and (${deliveryId}::text is null or delivery_id = ${deliveryId})
      and (${state}::text is null or state = ${state})
      and (${before}::text is null or delivery_id < ${before})
    order by delivery_id desc
    limit ${rowsMax}`.execute(db);
  return read.rows.map(({ calls, ...row }) => ({
    ...row,
    calls: calls.map(({ attemptTime, ...call }) => ({ ...call, attemptTime: new Date(attemptTime) })),
  }));
}

/** Delivers once more, but what is under way; one delivery, or all that were made since a time. Answers how many. */
export async function replayDeliveries(
  tx: Transaction<NotificationsTables>,
  { tenant, endpointId }: EndpointKey,
  which: { deliveryId: string } | { since: Date },
): Promise<bigint> {
  const replayed = await sql`
    update webhook_delivery set state = 'PENDING', attempts = 0, next_attempt_time = now(), claimed_until = null
    where tenant_id = ${tenant} and endpoint_id = ${endpointId} and payload is not null
      and (state <> 'PENDING' or claimed_until is null or claimed_until <= now())
      and ${"since" in which ? sql`create_time >= ${which.since}` : sql`delivery_id = ${which.deliveryId}`}`.execute(tx);
  return replayed.numAffectedRows ?? 0n;
}

/** The news that somebody is erased says no more than ids. */
export const isErasable = sql`event_type !~ '[.](OrderErased|CustomerErased)$'`;

/** Of orders or customers that are erased: what was sent, and what came back. */
export async function eraseDeliveries(
  tx: Transaction<NotificationsTables>,
  { tenant, keys }: { tenant: string; keys: readonly string[] },
): Promise<void> {
  const erased = sql`tenant_id = ${tenant} and event_key = any(${[...keys]}::text[]) and payload is not null and ${isErasable}`;
  await sql`
    update webhook_attempt set response_start = ''
    where tenant_id = ${tenant} and response_start <> ''
      and delivery_id in (select delivery_id from webhook_delivery where ${erased})`.execute(tx);
  await sql`
    update webhook_delivery set payload = null, next_attempt_time = null, claimed_until = null,
      state = case state when 'PENDING' then 'WITHHELD' else state end
    where ${erased}`.execute(tx);
}

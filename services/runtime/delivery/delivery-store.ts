// What a service's own tables say about its deliveries.
import { sql, type Kysely, type Transaction } from "kysely";
import { afterCursor } from "../events/relay-store.ts";

export interface EventToCheck {
  eventId: string;
  eventTime: Date | undefined;
}

export type CheckedEvent =
  | { eventId: string; fate: "unknown" }
  | { eventId: string; fate: "handled" }
  | { eventId: string; fate: "parked"; code: string; message: string; attempts: number };

/** What became of each event, in the order asked for. */
export async function checkEvents<Tables>(db: Kysely<Tables>, events: readonly EventToCheck[]): Promise<CheckedEvent[]> {
  const ids = events.map(({ eventId }) => eventId);
  const parked = await sql<{ eventId: string; code: string; message: string; attempts: number }>`
    select event_id as "eventId", code, message, attempts from parked_event where event_id = any(${ids})`.execute(db);
  const parkedById = new Map(parked.rows.map((row) => [row.eventId, row]));
  const handled = await findHandled(
    db,
    events.filter(({ eventId }) => !parkedById.has(eventId)),
  );
  return ids.map((eventId) => {
    const row = parkedById.get(eventId);
    if (row) return { fate: "parked", ...row };
    return { eventId, fate: handled.has(eventId) ? "handled" : "unknown" };
  });
}

async function findHandled<Tables>(db: Kysely<Tables>, events: readonly EventToCheck[]): Promise<Set<string>> {
  const found = new Set<string>();
  const timed = events.flatMap(({ eventId, eventTime }) => (eventTime ? [{ eventId, eventTime }] : []));
  if (timed.length > 0) {
    // With its time a row is looked for in one day's partition.
    const read = await sql<{ eventId: string }>`
      select event_id as "eventId" from inbox
      where (event_id, event_time) in (
        select * from unnest(
          ${timed.map(({ eventId }) => eventId)}::text[], ${timed.map(({ eventTime }) => eventTime)}::timestamptz[]
        )
      )`.execute(db);
    for (const { eventId } of read.rows) found.add(eventId);
  }
  const rest = events.map(({ eventId }) => eventId).filter((eventId) => !found.has(eventId));
  return found.union(await findHandledEver(db, rest));
}

/** Looks into all partitions: for the few that are not where their time says. */
async function findHandledEver<Tables>(db: Kysely<Tables>, eventIds: readonly string[]): Promise<Set<string>> {
  if (eventIds.length === 0) return new Set();
  const read = await sql<{ eventId: string }>`select event_id as "eventId" from inbox where event_id = any(${eventIds})`.execute(
    db,
  );
  return new Set(read.rows.map(({ eventId }) => eventId));
}

/**
 * Which of the events were not handled; of those that were, nothing is brought over, which are all as a rule. With their times they are
 * looked for in few days' partitions.
 */
export async function findUnhandled<Tables>(
  db: Kysely<Tables>,
  { eventIds, earliest, latest }: { eventIds: readonly string[]; earliest: Date; latest: Date },
): Promise<string[]> {
  const found = await sql<{ eventId: string; isParked: boolean }>`
    select event_id as "eventId", true as "isParked" from parked_event where event_id = any(${eventIds}::text[])
    union all
    select event_id, false from (
      select event_id from unnest(${eventIds}::text[]) as given (event_id)
      except
      select event_id from inbox
      where event_id = any(${eventIds}::text[]) and event_time >= ${earliest} and event_time <= ${latest}
    ) as missing`.execute(db);
  const parked = new Set(found.rows.filter(({ isParked }) => isParked).map(({ eventId }) => eventId));
  const missing = found.rows.map(({ eventId }) => eventId).filter((eventId) => !parked.has(eventId));
  const handled = await findHandledEver(db, missing);
  return [...parked, ...missing.filter((eventId) => !handled.has(eventId))];
}

export interface UnsentEvent {
  eventId: string;
  typeName: string;
  tenant: string;
  key: string;
  sequence: number;
  eventTime: Date;
  code: string;
  message: string;
  payload: Buffer;
  causeId: string;
  traceparent: string;
}

export interface DeliveryStatus {
  unpublished: number;
  oldestUnpublishedTime: Date | null;
  parked: number;
  overdueWork: number;
  unsent: UnsentEvent[];
}

const unsentListed = 100;
/** Counting stops here: more than this is "very many". */
const countMax = 100_000;

export async function readDeliveryStatus<Tables>(db: Kysely<Tables>): Promise<DeliveryStatus> {
  const read = await sql<Omit<DeliveryStatus, "unsent">>`
    with waiting as (
      select write_time from outbox where ${afterCursor} order by outbox.xid, outbox.id
      limit ${countMax}
    )
    select (select count(*) from waiting) as unpublished, (select min(write_time) from waiting) as "oldestUnpublishedTime",
      (select count(*) from parked_event) as parked,
      (select count(*) from due_work where due_time < now() - interval '1 minute') as "overdueWork"`.execute(db);
  const unsent = await sql<UnsentEvent>`
    select event_id as "eventId", type_name as "typeName", tenant_id as tenant, key, sequence, event_time as "eventTime",
      code, message, payload, cause_id as "causeId", traceparent
    from unsent_event where not retry order by outbox_id limit ${unsentListed}`.execute(db);
  const [row] = read.rows;
  if (!row) throw new Error("no delivery status");
  return { ...row, unsent: unsent.rows };
}

/** Keys of which an event waits to be published, or was published since the given time. */
export async function findWrittenKeys<Tables>(
  db: Kysely<Tables>,
  { eventName, keys, tenant, since }: { eventName: string; keys: readonly string[]; tenant: string; since: Date },
): Promise<string[]> {
  const read = await sql<{ key: string }>`
    select distinct key from outbox
    where tenant_id = ${tenant} and key = any(${[...keys]}) and type_name like ${`%.${eventName}`}
      and ((xid, id) > (select xid, id from relay_cursor) or write_time >= ${since})`.execute(db);
  return read.rows.map(({ key }) => key);
}

/**
 * Puts the relay back to before the first event that was written at or after a time, unless it stands before it anyway;
 * answers how many it will send from there. The relay sees that it was moved, and reads anew. It may have published more than its
 * cursor says: where that stands before the event it goes back by one place, so that this is seen, too.
 */
export async function rewindRelay<Tables>(tx: Transaction<Tables>, since: Date): Promise<number> {
  const counted = await sql<{ events: number }>`
    with first as (select xid, id from outbox where write_time >= ${since} order by xid, id limit 1),
    moved as (
      update relay_cursor set xid = least(relay_cursor.xid, first.xid), stream_sequence = 0, stream_event_id = '',
        id = case when (relay_cursor.xid, relay_cursor.id) >= (first.xid, first.id) then first.id else relay_cursor.id end - 1
      from first
    )
    select count(*) as events from outbox where write_time >= ${since}`.execute(tx);
  return counted.rows[0]?.events ?? 0;
}

/** Marks an unsent event, and with it those of its key that wait behind it, to be tried again. False where there is none. */
export async function retryUnsent<Tables>(tx: Transaction<Tables>, eventId: string): Promise<boolean> {
  const marked = await sql`
    update unsent_event set retry = true
    from (select tenant_id, key from unsent_event where event_id = ${eventId}) as asked
    where unsent_event.tenant_id = asked.tenant_id and unsent_event.key = asked.key`.execute(tx);
  return (marked.numAffectedRows ?? 0n) > 0n;
}

/** Gives an unsent event up; those behind it may go. False where there is none. */
export async function discardUnsent<Tables>(tx: Transaction<Tables>, eventId: string): Promise<boolean> {
  const gone = await sql<{ tenant: string; key: string }>`
    delete from unsent_event where event_id = ${eventId} returning tenant_id as tenant, key`.execute(tx);
  const [first] = gone.rows;
  if (!first) return false;
  await sql`
    update unsent_event set retry = true where tenant_id = ${first.tenant} and key = ${first.key} and code = 'KEY_UNSENT'
      and not exists (
        select from unsent_event other
        where other.tenant_id = unsent_event.tenant_id and other.key = unsent_event.key and other.code <> 'KEY_UNSENT'
      )`.execute(tx);
  return true;
}

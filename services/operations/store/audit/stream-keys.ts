// What the stream holds of each key: the numbers of its events, kept as ranges.
import { sql, type Kysely, type Transaction } from "kysely";
import type { OperationsTables } from "../tables.ts";

export interface ReaderPosition {
  streamCreated: string;
  streamSequence: number;
  coversSince: Date;
  caughtUpTime: Date | null;
}

export async function readReader(db: Kysely<OperationsTables>, stream: string): Promise<ReaderPosition | undefined> {
  const read = await sql<ReaderPosition>`
    select stream_created as "streamCreated", stream_sequence as "streamSequence", covers_since as "coversSince",
      caught_up_time as "caughtUpTime"
    from stream_reader where stream = ${stream}`.execute(db);
  return read.rows[0];
}

export async function saveReader(tx: Transaction<OperationsTables>, stream: string, position: ReaderPosition): Promise<void> {
  const { streamCreated, streamSequence, coversSince, caughtUpTime } = position;
  await sql`
    insert into stream_reader (stream, stream_created, stream_sequence, covers_since, caught_up_time)
    values (${stream}, ${streamCreated}, ${streamSequence}, ${coversSince}, ${caughtUpTime})
    on conflict (stream) do update
      set stream_created = excluded.stream_created, stream_sequence = excluded.stream_sequence,
        covers_since = excluded.covers_since, caught_up_time = excluded.caught_up_time`.execute(tx);
}

export interface CountedEvent {
  service: string;
  tenant: string;
  key: string;
  /** From 1. */
  sequence: number;
  streamSequence: number;
  time: Date;
}

/**
 * Adds the numbers of events to their keys. A key that is seen for the first time is taken as whole before its first number
 * where the stream's beginning has been trimmed, because what came before may have been there.
 */
export async function addEvents(
  tx: Transaction<OperationsTables>,
  events: readonly CountedEvent[],
  { now, isTrimmed }: { now: Date; isTrimmed: boolean },
): Promise<void> {
  if (events.length === 0) return;
  await sql`
    with given as (
      select service, tenant_id, key, range_agg(int8range(number, number, '[]')) as seen,
        max(event_time) as event_time, max(stream_sequence) as stream_sequence
      from unnest(
        ${events.map(({ service }) => service)}::text[],
        ${events.map(({ tenant }) => tenant)}::text[],
        ${events.map(({ key }) => key)}::text[],
        ${events.map(({ sequence }) => sequence)}::bigint[],
        ${events.map(({ time }) => time)}::timestamptz[],
        ${events.map(({ streamSequence }) => streamSequence)}::bigint[]
      ) as event (service, tenant_id, key, number, event_time, stream_sequence)
      group by service, tenant_id, key
    ), added as (
      select service, tenant_id, key, given.event_time, given.stream_sequence, known.gap_time,
        case
          when known.key is not null then known.seen + given.seen
          when ${isTrimmed}::boolean then given.seen + int8multirange(int8range(1, lower(given.seen)))
          else given.seen
        end as seen
      from given left join stream_key known using (service, tenant_id, key)
    )
    insert into stream_key (service, tenant_id, key, seen, gap_time, last_event_time, last_stream_sequence)
    select service, tenant_id, key, seen,
      case when seen <> int8multirange(int8range(1, upper(seen))) then coalesce(gap_time, ${now}::timestamptz) end,
      event_time, stream_sequence
    from added
    on conflict (service, tenant_id, key) do update
      set seen = excluded.seen, gap_time = excluded.gap_time,
        last_event_time = greatest(stream_key.last_event_time, excluded.last_event_time),
        last_stream_sequence = greatest(stream_key.last_stream_sequence, excluded.last_stream_sequence)`.execute(tx);
}

/** Forgets keys that had events in a part of the stream that is gone; they are read anew. Answers how many went, at most rowsMax. */
export async function forgetKeysAfter(
  tx: Transaction<OperationsTables>,
  { streamSequence, rowsMax }: { streamSequence: number; rowsMax: number },
): Promise<number> {
  const gone = await sql`
    delete from stream_key where (service, tenant_id, key) in (
      select service, tenant_id, key from stream_key where last_stream_sequence > ${streamSequence} limit ${rowsMax}
    )`.execute(tx);
  return Number(gone.numAffectedRows ?? 0n);
}

/** Forgets keys whose events the stream has dropped for their age. Answers how many went, at most rowsMax. */
export async function forgetKeysBefore(
  tx: Transaction<OperationsTables>,
  { time, rowsMax }: { time: Date; rowsMax: number },
): Promise<number> {
  const gone = await sql`
    delete from stream_key where (service, tenant_id, key) in (
      select service, tenant_id, key from stream_key where last_event_time < ${time}::timestamptz limit ${rowsMax}
    )`.execute(tx);
  return Number(gone.numAffectedRows ?? 0n);
}

/** Of these orders, those whose first event was never seen. */
export async function findUnseenKeys(
  db: Kysely<OperationsTables>,
  { service, tenant, keys }: { service: string; tenant: string; keys: readonly string[] },
): Promise<string[]> {
  const read = await sql<{ key: string }>`
    select asked.key from unnest(${[...keys]}::text[]) as asked (key)
    where not exists (
      select from stream_key known
      where known.service = ${service} and known.tenant_id = ${tenant} and known.key = asked.key and known.seen @> 1::bigint
    )`.execute(db);
  return read.rows.map(({ key }) => key);
}

export interface Gap {
  service: string;
  tenant: string;
  key: string;
  missing: string;
  highest: number;
}

/**
 * Gaps that are open since a time, by service, tenant and key. Numbers of events that were set aside and never published
 * are no gap: their dead letters tell of them.
 */
export async function readGaps(
  db: Kysely<OperationsTables>,
  { tenant, since, after, rowsMax }: { tenant: string; since: Date; after: readonly [string, string]; rowsMax: number },
): Promise<Gap[]> {
  const [service, key] = after;
  const read = await sql<Gap>`
    select service, tenant_id as tenant, key, (int8multirange(int8range(1, upper(seen))) - seen)::text as missing,
      upper(seen) - 1 as highest
    from stream_key
    where gap_time <= ${since}::timestamptz and tenant_id = ${tenant} and (service, key) > (${service}, ${key})
      and not exists (
        select from dead_letter
        where dead_letter.consumer = 'relay' and dead_letter.service = stream_key.service
          and dead_letter.tenant_id = stream_key.tenant_id and dead_letter.key = stream_key.key and dead_letter.state <> 'resolved'
      )
    order by service, key limit ${rowsMax}`.execute(db);
  return read.rows;
}

/** Of these keys, those that have a dead letter without an end, by which they wait. */
export async function findLetterKeys(
  db: Kysely<OperationsTables>,
  { tenant, keys }: { tenant: string; keys: readonly string[] },
): Promise<Set<string>> {
  const read = await sql<{ key: string }>`
    select distinct key from dead_letter
    where key = any(${[...keys]}) and tenant_id = ${tenant} and state in ('open', 'redriving')`.execute(db);
  return new Set(read.rows.map((row) => row.key));
}

// The relay's SQL: what waits in the outbox, how far it was published, and what cannot be.
import { sql, type Kysely, type Transaction } from "kysely";
import { commitLazily } from "../database/commit-lazily.ts";
import { holdLease, type Lease } from "../lease/lease-store.ts";
import type { OutgoingEvent } from "./outgoing.ts";

/** A place in the order of commits. */
export interface Position {
  xid: string;
  id: number;
}

export interface OutboxRow extends Omit<OutgoingEvent, "cause"> {
  outboxId: number;
  xid: string;
  causeId: string;
  traceparent: string;
  /** Where the cursor was when the row was read. */
  fromXid: string;
  fromId: number;
}

export const keyNameOf = ({ tenant, key }: { tenant: string; key: string }): string => `${tenant}.${key}`;

/** The last message that the stream has acknowledged to us; sequence 0 where there is none that it must have. */
export interface Acknowledged {
  streamSequence: number;
  eventId: string;
}

export interface Cursor extends Position, Acknowledged {}

const eventColumns = sql`
  event_id as id, type_name as "typeName", tenant_id as tenant, key, sequence, event_time as time, cause_id as "causeId",
  traceparent, payload`;

/** Of a row that waits, and whether it is settled. */
const outboxColumns = sql`
  outbox.id as "outboxId", outbox.xid::text as xid, ${eventColumns}, outbox.xid < pg_snapshot_xmin(pg_current_snapshot()) as "isSettled"`;

export async function readCursor<Tables>(db: Kysely<Tables>): Promise<Cursor> {
  const read = await sql<Cursor>`
    select xid::text as xid, id, stream_sequence as "streamSequence", stream_event_id as "eventId" from relay_cursor`.execute(db);
  const [cursor] = read.rows;
  if (!cursor) throw new Error("the relay has no cursor");
  return cursor;
}

/**
 * What waits to be published. As values and not as a join, so that the index is entered at the cursor: beside the policies of
 * tenants PostgreSQL does not enter it with what it would have to calculate for each row.
 */
export const afterCursor = sql`(outbox.xid, outbox.id) > ((select xid from relay_cursor), (select id from relay_cursor))`;

export interface Outbox {
  /** The next settled rows in commit order, up to the first that has to wait for one that is not. */
  settled: OutboxRow[];
  /** When the first row was written that is not published, settled or not; undefined where all are published. */
  oldestTime: Date | undefined;
  /** Rows were read that are not settled yet. */
  isUnsettled: boolean;
}

/** Where the cursor is to go, from where the rows were read that are published by now. */
export interface CursorMove {
  from: Pick<OutboxRow, "fromXid" | "fromId">;
  to: Position;
  acknowledged: Acknowledged | undefined;
}

/**
 * The next rows. A row is settled once every transaction older than its own has ended, so that nothing can come before it
 * any more; ordering by id alone would skip a row whose transaction took its id early and committed late. Rows come in
 * the order of their transactions, so the settled ones come first.
 */
export async function readOutbox<Tables>(db: Kysely<Tables>, rowsMax: number): Promise<Outbox> {
  const read = await sql<OutboxRow & { isSettled: boolean }>`
    select ${outboxColumns}, relay_cursor.xid::text as "fromXid", relay_cursor.id as "fromId"
    from outbox, relay_cursor
    where ${afterCursor}
    order by outbox.xid, outbox.id
    limit ${rowsMax}`.execute(db);
  return outboxOf(read.rows);
}

/**
 * Moves the cursor and reads what comes next, in one way to the server. Where the cursor is no longer where the rows were read
 * from, because somebody wants events to be published again, it stays, and what is read comes after it.
 * Its new place may be lost with the server; then what was published since is published again.
 * Throws LeaseLost.
 */
export async function moveAndRead<Tables>(
  db: Kysely<Tables>,
  { lease, move, rowsMax }: { lease: Lease; move: CursorMove; rowsMax: number },
): Promise<Outbox> {
  const { from, to, acknowledged } = move;
  const read = await sql<OutboxRow & { isSettled: boolean; isMoved: boolean }>`
    with moved as (
      update relay_cursor
      set xid = ${to.xid}::xid8, id = ${to.id},
          stream_sequence = coalesce(${acknowledged?.streamSequence ?? null}::bigint, stream_sequence),
          stream_event_id = coalesce(${acknowledged?.eventId ?? null}::text, stream_event_id)
      where (xid, id) = (${from.fromXid}::xid8, ${from.fromId}::bigint) and ${commitLazily}
        and exists (
          select 1 from lease where name = ${lease.name} and holder = ${lease.holder} and epoch = ${lease.epoch} for key share
        )
      returning xid, id
    ), place as (
      select coalesce((select xid from moved), xid) as xid, coalesce((select id from moved), id) as id from relay_cursor
    )
    select waiting.*, place.xid::text as "fromXid", place.id as "fromId", exists (select from moved) as "isMoved"
    from place left join (
      select ${outboxColumns}
      from outbox
      where (outbox.xid, outbox.id) > ((select xid from place), (select id from place))
      order by outbox.xid, outbox.id
      limit ${rowsMax}
    ) as waiting on true`.execute(db);
  if (!read.rows[0]?.isMoved) await db.transaction().execute((tx) => holdLease(tx, lease));
  // Where nothing waits there is one row, of the place alone.
  return outboxOf(read.rows.filter(({ id }) => id !== null));
}

function outboxOf(rows: readonly (OutboxRow & { isSettled: boolean })[]): Outbox {
  const settled = withoutOvertaking(rows);
  return { settled, oldestTime: rows[0]?.time, isUnsettled: settled.length < rows.length };
}

/**
 * Of two rows about one key the first written may have the later transaction: the other took its id early and then waited for
 * what the first had locked. Until the first is settled, too, the other must wait.
 */
function withoutOvertaking<Row extends OutboxRow & { isSettled: boolean }>(rows: readonly Row[]): Row[] {
  const settled = rows.filter(({ isSettled }) => isSettled);
  if (settled.length === 0 || settled.length === rows.length) return settled;
  const unsettled = new Map<string, number>();
  for (const row of rows) {
    const name = keyNameOf(row);
    if (!row.isSettled) unsettled.set(name, Math.min(row.outboxId, unsettled.get(name) ?? row.outboxId));
  }
  const waits = settled.findIndex((row) => row.outboxId > (unsettled.get(keyNameOf(row)) ?? Number.POSITIVE_INFINITY));
  return waits === -1 ? settled : settled.slice(0, waits);
}

const checkpointsKept = "4 days";

/** Writes down a place to go back to. */
export async function addCheckpoint<Tables>(
  db: Kysely<Tables>,
  { position, acknowledged }: { position: Position; acknowledged: Acknowledged },
): Promise<void> {
  await sql`
    insert into relay_checkpoint (stream_sequence, stream_event_id, xid, id)
    values (${acknowledged.streamSequence}, ${acknowledged.eventId}, ${position.xid}::xid8, ${position.id})
    on conflict (stream_sequence) do update
      set stream_event_id = excluded.stream_event_id, xid = excluded.xid, id = excluded.id, publish_time = now()`.execute(db);
  await sql`delete from relay_checkpoint where publish_time < now() - ${checkpointsKept}::interval`.execute(db);
}

/** Checkpoints below a place in the stream, newest first. */
export async function readCheckpoints<Tables>(
  db: Kysely<Tables>,
  below: { streamSequence: number; rowsMax: number },
): Promise<Cursor[]> {
  const read = await sql<Cursor>`
    select xid::text as xid, id, stream_sequence as "streamSequence", stream_event_id as "eventId"
    from relay_checkpoint where stream_sequence < ${below.streamSequence}
    order by stream_sequence desc limit ${below.rowsMax}`.execute(db);
  return read.rows;
}

/** Goes back: what was published since is published again. Checkpoints of what is gone go too. */
export async function goBack<Tables>(tx: Transaction<Tables>, lease: Lease, to: Cursor): Promise<void> {
  await holdLease(tx, lease);
  await sql`
    update relay_cursor
    set xid = ${to.xid}::xid8, id = ${to.id}, stream_sequence = ${to.streamSequence}, stream_event_id = ${to.eventId}`.execute(
    tx,
  );
  await sql`delete from relay_checkpoint where stream_sequence > ${to.streamSequence}`.execute(tx);
}

/** Keys of which an event is set aside, also where it is to be tried again: what comes after it must wait. As tenant.key. */
export async function readUnsentKeys<Tables>(db: Kysely<Tables>): Promise<Set<string>> {
  const read = await sql<{ name: string }>`
    select distinct tenant_id || '.' || key as name from unsent_event`.execute(db);
  return new Set(read.rows.map(({ name }) => name));
}

/** Sets events aside that cannot be published, so that the others go on. */
export async function setAside<Tables>(
  tx: Transaction<Tables>,
  lease: Lease,
  events: readonly { row: OutboxRow; code: string; message: string }[],
): Promise<void> {
  if (events.length === 0) return;
  await holdLease(tx, lease);
  const column = <Value>(pick: (row: OutboxRow) => Value): Value[] => events.map(({ row }) => pick(row));
  await sql`
    insert into unsent_event (event_id, outbox_id, type_name, tenant_id, key, sequence, event_time, cause_id, traceparent, payload,
      code, message)
    select * from unnest(
      ${column((row) => row.id)}::text[],
      ${column((row) => row.outboxId)}::bigint[],
      ${column((row) => row.typeName)}::text[],
      ${column((row) => row.tenant)}::text[],
      ${column((row) => row.key)}::text[],
      ${column((row) => row.sequence)}::bigint[],
      ${column((row) => row.time)}::timestamptz[],
      ${column((row) => row.causeId)}::text[],
      ${column((row) => row.traceparent)}::text[],
      ${column((row) => row.payload)}::bytea[],
      ${events.map(({ code }) => code)}::text[],
      ${events.map(({ message }) => message)}::text[]
    )
    on conflict (event_id) do update set code = excluded.code, message = excluded.message, retry = false`.execute(tx);
}

/** Events set aside that somebody wants to be tried again, oldest first. */
export async function readRetries<Tables>(db: Kysely<Tables>, rowsMax: number): Promise<OutboxRow[]> {
  const read = await sql<OutboxRow>`
    select outbox_id as "outboxId", '0' as xid, ${eventColumns}, '0' as "fromXid", 0 as "fromId", true as settled
    from unsent_event where retry order by outbox_id limit ${rowsMax}`.execute(db);
  return read.rows;
}

/** Forgets events set aside that were published after all. */
export async function forgetUnsent<Tables>(tx: Transaction<Tables>, lease: Lease, eventIds: readonly string[]): Promise<void> {
  if (eventIds.length === 0) return;
  await holdLease(tx, lease);
  const gone = await sql<{ tenant: string; key: string }>`
    delete from unsent_event where event_id = any(${[...eventIds]}) returning tenant_id as tenant, key`.execute(tx);
  // What was set aside behind them in the meantime waits for nothing any more.
  await sql`
    update unsent_event set retry = true
    where (tenant_id, key) in (
        select * from unnest(${gone.rows.map(({ tenant }) => tenant)}::text[], ${gone.rows.map(({ key }) => key)}::text[])
      )
      and not exists (
        select from unsent_event other
        where other.tenant_id = unsent_event.tenant_id and other.key = unsent_event.key and other.code <> 'KEY_UNSENT'
      )`.execute(tx);
}

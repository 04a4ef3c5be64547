// How far the reconciler has compared a consumer with its service's books.
import { sql, type Kysely, type Transaction } from "kysely";
import { isEventId } from "./original.ts";

export interface ConsumerIdentity {
  consumer: string;
  /** A consumer that was made anew may count anew. */
  created: string;
}

/** 0 where nothing was compared yet. */
export async function readCursor<Tables>(db: Kysely<Tables>, { consumer, created }: ConsumerIdentity): Promise<number> {
  const read = await sql<{ streamSequence: number }>`
    select stream_sequence as "streamSequence" from reconcile_cursor
    where consumer = ${consumer} and consumer_created = ${created}`.execute(db);
  return read.rows[0]?.streamSequence ?? 0;
}

export async function moveCursor<Tables>(
  tx: Transaction<Tables>,
  { consumer, created }: ConsumerIdentity,
  streamSequence: number,
): Promise<void> {
  await sql`
    insert into reconcile_cursor (consumer, consumer_created, stream_sequence)
    values (${consumer}, ${created}, ${streamSequence})
    on conflict (consumer) do update
      set consumer_created = excluded.consumer_created, stream_sequence = excluded.stream_sequence`.execute(tx);
}

/** Which of these messages of a consumer are known to have failed. */
export async function readKnown<Tables>(
  db: Kysely<Tables>,
  {
    stream,
    consumer,
    messages,
  }: { stream: string; consumer: string; messages: readonly { streamSequence: number; eventId: string }[] },
): Promise<Set<number>> {
  const read = await sql<{ streamSequence: number }>`
    select stream_sequence as "streamSequence" from unnest(
      ${messages.map(({ streamSequence }) => streamSequence)}::bigint[],
      ${messages.map(({ eventId }) => (isEventId(eventId) ? eventId : ""))}::text[]
    ) as given (stream_sequence, event_id)
    join letter_delivery using (stream_sequence)
    where stream = ${stream} and consumer = ${consumer}
      and (letter_delivery.event_id = given.event_id or letter_delivery.event_id = '' or given.event_id = '')`.execute(db);
  return new Set(read.rows.map(({ streamSequence }) => streamSequence));
}

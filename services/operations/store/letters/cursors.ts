// How far the reconciler has compared a consumer with its service's books.
import { sql, type Kysely, type Transaction } from "kysely";
import { isEventId } from "./original.ts";

export interface ConsumerIdentity {
  consumer: string;
  /** A consumer that was made anew may count anew, and must not be taken for the one before it. */
  created: string;
}

export const cursorName = ({ consumer, created }: ConsumerIdentity): string => `${consumer} ${created}`;

/** How far each consumer is compared, by its cursorName. */
export async function readCursors<Tables>(db: Kysely<Tables>): Promise<Map<string, number>> {
  const read = await sql<ConsumerIdentity & { streamSequence: number }>`
    select consumer, consumer_created as created, stream_sequence as "streamSequence" from reconcile_cursor`.execute(db);
  return new Map(read.rows.map((row) => [cursorName(row), row.streamSequence]));
}

export async function moveCursors<Tables>(
  tx: Transaction<Tables>,
  moved: readonly (ConsumerIdentity & { end: number })[],
): Promise<void> {
  await sql`
    insert into reconcile_cursor (consumer, consumer_created, stream_sequence)
    select * from unnest(
      ${moved.map(({ consumer }) => consumer)}::text[],
      ${moved.map(({ created }) => created)}::text[],
      ${moved.map(({ end }) => end)}::bigint[]
    )
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

// Events are rows first: written in the transaction of the change that they tell of, published after its commit.
import { sql, type Transaction } from "kysely";
import { writeLate } from "../database/late-writes.ts";
import { noteEvents } from "../database/written-work.ts";
import type { OutgoingEvent } from "./outgoing.ts";

/**
 * Writes events into the outbox of the service whose transaction this is. One statement, whatever their number. They are published
 * at once, or, where they begin a long way through many services, with those that others begin in the same moment (waveMs).
 */
export async function appendEvents<Tables>(
  tx: Transaction<Tables>,
  events: readonly OutgoingEvent[],
  { going = "now" }: { going?: "now" | "in_waves" } = {},
): Promise<void> {
  if (events.length === 0) return;
  noteEvents(tx, going);
  const column = <Value>(pick: (event: OutgoingEvent) => Value): Value[] => events.map(pick);
  const insert = sql`
    insert into outbox (event_id, type_name, tenant_id, key, sequence, event_time, cause_id, traceparent, payload)
    select * from unnest(
      ${column((event) => event.id)}::text[],
      ${column((event) => event.typeName)}::text[],
      ${column((event) => event.tenant)}::text[],
      ${column((event) => event.key)}::text[],
      ${column((event) => event.sequence)}::bigint[],
      ${column((event) => event.time)}::timestamptz[],
      ${column((event) => event.cause.id)}::text[],
      ${column((event) => event.cause.traceparent)}::text[],
      ${column((event) => Buffer.from(event.payload))}::bytea[]
    )`;
  await writeLate(tx, insert);
}

// What happens to letters: a row of history each, and an event where a letter opens or closes.
import { sql, type Transaction } from "kysely";
import { DeadLetterClosedSchema, DeadLetterOpenedSchema } from "#gen/ordermesh/operations/events/v1/operations_events_pb.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, type OutgoingEvent } from "#runtime/events/outgoing.ts";
import { childTraceparent } from "#runtime/request-context.ts";
import type { LetterAction } from "../../domain/letters.ts";

export interface HistoryRow {
  letterId: string;
  action: LetterAction;
  actor: string;
  reason: string;
  redriveId: string;
  time: Date;
  tells: "opened" | "closed" | "nothing";
}

interface Recorded {
  letterId: string;
  eventsSent: number;
  service: string;
  consumer: string;
  eventId: string;
  typeName: string;
  tenant: string;
  key: string;
  code: string;
  failures: number;
  traceparent: string | null;
}

const charactersMax = 2_000;

/** Writes one row a letter, and the events. The letters are as the event shall tell them. */
export async function record<Tables>(tx: Transaction<Tables>, rows: readonly HistoryRow[]): Promise<void> {
  if (rows.length === 0) return;
  const column = <Value>(pick: (row: HistoryRow) => Value): Value[] => rows.map(pick);
  const written = await sql<Recorded>`
    with given as (
      select * from unnest(
        ${column((row) => row.letterId)}::text[],
        ${column((row) => row.action)}::text[],
        ${column((row) => row.actor)}::text[],
        ${column((row) => storable(row.reason))}::text[],
        ${column((row) => row.redriveId)}::text[],
        ${column((row) => row.time)}::timestamptz[],
        ${column((row) => row.tells !== "nothing")}::boolean[]
      ) as given (letter_id, action, actor, reason, redrive_id, action_time, tells)
    ), counted as (
      update dead_letter
      set actions = actions + 1, events_sent = events_sent + given.tells::integer
      from given where dead_letter.letter_id = given.letter_id
      returning dead_letter.*
    ), inserted as (
      insert into letter_action (letter_id, sequence, action, actor, reason, redrive_id, action_time)
      select given.letter_id, counted.actions, given.action, given.actor, given.reason, given.redrive_id, given.action_time
      from given join counted using (letter_id)
    )
    select letter_id as "letterId", events_sent as "eventsSent", service, consumer, event_id as "eventId",
      type_name as "typeName", tenant_id as tenant, key, code, failures,
      (select header ->> 'value' from jsonb_array_elements(headers) as header where header ->> 'name' = 'traceparent' limit 1)
        as traceparent
    from counted`.execute(tx);
  const told = new Map(rows.filter((row) => row.tells !== "nothing").map((row) => [row.letterId, row]));
  await appendEvents(
    tx,
    written.rows.flatMap((letter) => {
      const row = told.get(letter.letterId);
      return row ? [eventOf(letter, row)] : [];
    }),
  );
}

/** A stranger's subject may name anything; what stands in ours must be a token. */
const tenantOf = (tenant: string): string => (/^[A-Za-z0-9_-]{1,63}$/.test(tenant) ? tenant : "none");

function eventOf(letter: Recorded, row: HistoryRow): OutgoingEvent {
  const about = {
    tenant: tenantOf(letter.tenant),
    sequence: letter.eventsSent,
    time: row.time,
    cause: { id: letter.eventId || letter.letterId, traceparent: childTraceparent(letter.traceparent) },
  };
  if (row.tells === "closed") {
    return outgoing(DeadLetterClosedSchema, { letterId: letter.letterId, outcome: row.action, actor: row.actor }, about);
  }
  const { letterId, service, consumer, eventId, typeName, key, code, failures } = letter;
  return outgoing(
    DeadLetterOpenedSchema,
    { letterId, service, consumer, eventId, typeName, eventKey: key, code, failures },
    about,
  );
}

/** Text that PostgreSQL can hold, and no longer than a person reads. What is left out leaves a mark: another subject is another. */
export const storable = (text: string): string => text.replaceAll("\0", "\ufffd").toWellFormed().slice(0, charactersMax);

// Letters as people read them.
import { sql, type Kysely } from "kysely";
import type { LetterAction, LetterSource, LetterState } from "../../domain/letters.ts";
import { filterCondition, type LetterFilter } from "./filter.ts";
import type { LetterHeader } from "./original.ts";

export interface LetterView {
  letterId: string;
  state: LetterState;
  service: string;
  consumer: string;
  stream: string;
  streamSequence: number;
  eventId: string;
  typeName: string;
  tenant: string;
  key: string;
  subject: string;
  headers: LetterHeader[];
  /** Null where the stream had dropped it, or where a list leaves it out. */
  payload: Buffer | null;
  /** Null where the stream had dropped it. */
  payloadBytes: number | null;
  code: string;
  message: string;
  attempts: number;
  failures: number;
  firstFailureTime: Date;
  lastFailureTime: Date;
  source: LetterSource;
  /** Empty where there is none. */
  waitsBehind: string;
  closeTime: Date | null;
}

const columns = sql`
  letter.letter_id as "letterId", letter.state, letter.service, letter.consumer, letter.stream,
  letter.stream_sequence as "streamSequence", letter.event_id as "eventId", letter.type_name as "typeName",
  letter.tenant_id as tenant, letter.key, letter.subject, letter.headers, octet_length(letter.payload) as "payloadBytes",
  letter.code, letter.message, letter.attempts, letter.failures, letter.first_failure_time as "firstFailureTime",
  letter.last_failure_time as "lastFailureTime", letter.source, letter.close_time as "closeTime",
  case when letter.holds_key and letter.state in ('open', 'redriving') then coalesce((
    select earlier.letter_id from dead_letter earlier
    where earlier.consumer = letter.consumer and earlier.tenant_id = letter.tenant_id and earlier.key = letter.key
      and earlier.service = letter.service and earlier.position < letter.position and earlier.holds_key
      and earlier.state in ('open', 'redriving')
    order by earlier.position limit 1
  ), '') else '' end as "waitsBehind"`;

/** Payloads that are larger are not read for a list. Bytes. */
export const listedPayloadBytesMax = 16_384;

export interface LetterPage {
  filter: LetterFilter;
  rowsMax: number;
  /** The last letter of the page before; undefined for the first page. */
  after: { lastFailureTime: Date; letterId: string } | undefined;
  offset: number;
}

/** Newest failure first. */
export function listStatement({ filter, rowsMax, after, offset }: LetterPage) {
  const from = after
    ? sql`and (letter.last_failure_time, letter.letter_id) < (${after.lastFailureTime}::timestamptz, ${after.letterId})`
    : sql``;
  return sql<LetterView>`
    select ${columns}, case when octet_length(letter.payload) <= ${listedPayloadBytesMax} then letter.payload end as payload
    from dead_letter letter
    where ${filterCondition(filter)} ${from}
    order by letter.last_failure_time desc, letter.letter_id desc
    limit ${rowsMax} offset ${offset}`;
}

export async function listLetters<Tables>(db: Kysely<Tables>, page: LetterPage): Promise<LetterView[]> {
  return (await listStatement(page).execute(db)).rows;
}

export async function readLetter<Tables>(db: Kysely<Tables>, letterId: string): Promise<LetterView | undefined> {
  const read = await sql<LetterView>`
    select ${columns}, letter.payload from dead_letter letter where letter.letter_id = ${letterId}`.execute(db);
  return read.rows[0];
}

export interface LetterActionView {
  sequence: number;
  time: Date;
  action: LetterAction;
  actor: string;
  reason: string;
  redriveId: string;
}

const actionsMax = 1_000;

/** Undefined where there is no such letter. */
export async function readActions<Tables>(db: Kysely<Tables>, letterId: string): Promise<LetterActionView[] | undefined> {
  const read = await sql<LetterActionView>`
    select sequence, action_time as time, action, actor, reason, redrive_id as "redriveId"
    from letter_action where letter_id = ${letterId} order by sequence limit ${actionsMax}`.execute(db);
  // Every letter begins with a row of its history.
  return read.rows.length === 0 ? undefined : read.rows;
}

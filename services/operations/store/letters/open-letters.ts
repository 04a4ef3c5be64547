// Rows of letters that open, and of those that open again.
import { sql, type Transaction } from "kysely";
import type { LetterSource } from "../../domain/letters.ts";
import { waitingCodes } from "./names.ts";
import type { LetterHeader } from "./original.ts";

export interface NewLetter {
  letterId: string;
  service: string;
  consumer: string;
  stream: string;
  streamSequence: number;
  position: number;
  eventId: string;
  eventTime: Date;
  typeName: string;
  tenant: string;
  key: string;
  subject: string;
  headers: readonly LetterHeader[];
  payload: Uint8Array | undefined;
  redriveSubject: string | null;
  code: string;
  message: string;
  holdsKey: boolean;
  attempts: number;
  time: Date;
  source: LetterSource;
}

export async function insertLetters<Tables>(tx: Transaction<Tables>, letters: readonly NewLetter[]): Promise<void> {
  if (letters.length === 0) return;
  const column = <Value>(pick: (letter: NewLetter) => Value): Value[] => letters.map(pick);
  await sql`
    insert into dead_letter (letter_id, state, service, consumer, stream, stream_sequence, position, event_id, event_time,
      type_name, tenant_id, key, subject, headers, payload, redrive_subject, code, message, holds_key, attempts, failures,
      first_failure_time, last_failure_time, source)
    select letter_id, 'open', service, consumer, stream, stream_sequence, position, event_id, event_time, type_name, tenant_id,
      key, subject, headers::jsonb, payload, redrive_subject, code, message, holds_key, attempts, 1, time, time, source
    from unnest(
      ${column((letter) => letter.letterId)}::text[],
      ${column((letter) => letter.service)}::text[],
      ${column((letter) => letter.consumer)}::text[],
      ${column((letter) => letter.stream)}::text[],
      ${column((letter) => letter.streamSequence)}::bigint[],
      ${column((letter) => letter.position)}::bigint[],
      ${column((letter) => letter.eventId)}::text[],
      ${column((letter) => letter.eventTime)}::timestamptz[],
      ${column((letter) => letter.typeName)}::text[],
      ${column((letter) => letter.tenant)}::text[],
      ${column((letter) => letter.key)}::text[],
      ${column((letter) => letter.subject)}::text[],
      ${column((letter) => JSON.stringify(letter.headers))}::text[],
      ${column((letter) => (letter.payload ? Buffer.from(letter.payload) : null))}::bytea[],
      ${column((letter) => letter.redriveSubject)}::text[],
      ${column((letter) => letter.code)}::text[],
      ${column((letter) => letter.message)}::text[],
      ${column((letter) => letter.holdsKey)}::boolean[],
      ${column((letter) => letter.attempts)}::integer[],
      ${column((letter) => letter.time)}::timestamptz[],
      ${column((letter) => letter.source)}::text[]
    ) as given (letter_id, service, consumer, stream, stream_sequence, position, event_id, event_time, type_name, tenant_id, key,
      subject, headers, payload, redrive_subject, code, message, holds_key, attempts, time, source)`.execute(tx);
}

export interface ReopenedLetter {
  letterId: string;
  code: string;
  message: string;
  holdsKey: boolean;
  attempts: number;
  attemptsAreTotal: boolean;
  time: Date;
}

/** What was sent again and has failed again is open, with its new cause. Answers those that were. */
export async function reopenLetters<Tables>(
  tx: Transaction<Tables>,
  letters: readonly ReopenedLetter[],
): Promise<ReopenedLetter[]> {
  if (letters.length === 0) return [];
  const column = <Value>(pick: (letter: ReopenedLetter) => Value): Value[] => letters.map(pick);
  const reopened = await sql<{ letterId: string }>`
    update dead_letter
    set state = 'open', code = given.code, message = given.message, holds_key = given.holds_key,
      attempts = case when given.total then greatest(given.attempts, dead_letter.attempts)
        else dead_letter.attempts + given.attempts end,
      failures = failures + 1, last_failure_time = greatest(last_failure_time, given.time),
      send_kind = null, sent_time = null, check_time = null, checks = 0
    from unnest(
      ${column((letter) => letter.letterId)}::text[],
      ${column((letter) => letter.code)}::text[],
      ${column((letter) => letter.message)}::text[],
      ${column((letter) => letter.holdsKey)}::boolean[],
      ${column((letter) => letter.attempts)}::integer[],
      ${column((letter) => letter.attemptsAreTotal)}::boolean[],
      ${column((letter) => letter.time)}::timestamptz[]
    ) as given (letter_id, code, message, holds_key, attempts, total, time)
    where dead_letter.letter_id = given.letter_id and dead_letter.state = 'redriving'
    returning dead_letter.letter_id as "letterId"`.execute(tx);
  const ids = new Set(reopened.rows.map(({ letterId }) => letterId));
  return letters.filter(({ letterId }) => ids.has(letterId));
}

export interface ReturnedLetter {
  letterId: string;
  /** The letter that it waits for. */
  behind: string;
  time: Date;
}

/** Letters that were asked for and not yet sent wait again where an earlier one of their key has failed by itself. */
export async function returnWaiting<Tables>(
  tx: Transaction<Tables>,
  reopened: readonly ReopenedLetter[],
): Promise<ReturnedLetter[]> {
  const heads = reopened.filter(({ code, holdsKey }) => holdsKey && !(waitingCodes as readonly string[]).includes(code));
  if (heads.length === 0) return [];
  const returned = await sql<ReturnedLetter>`
    update dead_letter
    set state = 'open', send_kind = null, sent_time = null, check_time = null, checks = 0
    from (
      select waiting.letter_id, min(head.letter_id) as behind, max(head.last_failure_time) as time
      from dead_letter head join dead_letter waiting using (service, consumer, tenant_id, key)
      where head.letter_id = any(${heads.map(({ letterId }) => letterId)}::text[])
        and waiting.state = 'redriving' and waiting.sent_time is null and waiting.position > head.position
        and waiting.holds_key
      group by waiting.letter_id
    ) as behind
    where dead_letter.letter_id = behind.letter_id
    returning dead_letter.letter_id as "letterId", behind.behind, behind.time`.execute(tx);
  return returned.rows;
}

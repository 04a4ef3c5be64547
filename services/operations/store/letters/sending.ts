// Letters on their way back: which may be sent now, that they were, and what became of them.
import { sql, type Kysely, type Transaction } from "kysely";
import type { SendKind } from "../../domain/letters.ts";
import { byItself, checkDelayMs } from "./names.ts";
import { record } from "./history.ts";
import type { LetterHeader } from "./original.ts";
import { askRedrive, noteOutcomes } from "./redrives.ts";

const waiting = sql`('KEY_PARKED', 'REDRIVE_TOO_EARLY')`;
const followersMax = 1_000;
/** After so many failures a letter that waits behind others is no longer sent by itself. */
const failuresMax = 20;

/**
 * Letters that only wait for others of their key, and whose turn has come: everything before them is over, or goes
 * before them. A letter that came too early is tried again 1, 2, 4 seconds later and so on.
 */
export async function askFollowers<Tables>(tx: Transaction<Tables>, now: Date): Promise<number> {
  const due = (letter: string) => {
    const row = sql.id(letter);
    return sql`
      ${row}.state = 'open' and ${row}.code in ${waiting} and ${row}.redrive_subject is not null and ${row}.payload is not null
      and ${row}.failures <= ${failuresMax}
      and (${row}.code = 'KEY_PARKED' or ${row}.last_failure_time
        <= ${now}::timestamptz - make_interval(secs => least(power(2, ${row}.failures - 1), 300)))`;
  };
  const found = await sql<{ letterId: string }>`
    select letter_id as "letterId" from dead_letter letter
    where ${due("letter")} and not exists (
      select from dead_letter earlier
      where earlier.consumer = letter.consumer and earlier.tenant_id = letter.tenant_id and earlier.key = letter.key
        and earlier.position < letter.position and earlier.holds_key
        and (earlier.state in ('open', 'redriving') or earlier.send_kind is not null)
        and not (${due("earlier")}) and not (earlier.state = 'redriving' and earlier.code in ${waiting})
    )
    order by position
    limit ${followersMax}`.execute(tx);
  const letterIds = found.rows.map(({ letterId }) => letterId);
  const reason = "what it waited for is over";
  return (await askRedrive(tx, letterIds, { actor: byItself, reason, now })).length;
}

export interface LetterToSend {
  letterId: string;
  kind: SendKind;
  sendNumber: number;
  service: string;
  consumer: string;
  tenant: string;
  key: string;
  eventId: string;
  redriveSubject: string | null;
  headers: LetterHeader[];
  payload: Buffer | null;
  reason: string;
}

const sendMax = 200;
const sendBytesMax = 16_000_000;

/**
 * What may be sent now, in sequence. A letter that has failed by itself goes alone, so that those behind it are not
 * sent in vain; those that only waited go together once it is over.
 */
export async function readToSend<Tables>(db: Kysely<Tables>, now: Date): Promise<LetterToSend[]> {
  const read = await sql<LetterToSend>`
    with free as (
      select letter.*, sum(coalesce(octet_length(payload), 0)) over (order by position, letter_id)
        - coalesce(octet_length(payload), 0) as bytes_before
      from dead_letter letter
      where send_kind is not null and sent_time is null and (send_after is null or send_after <= ${now})
        and (send_kind = 'discard' or not holds_key or not exists (
        select from dead_letter earlier
        where earlier.consumer = letter.consumer and earlier.service = letter.service
          and earlier.tenant_id = letter.tenant_id and earlier.key = letter.key
          and earlier.position < letter.position and earlier.holds_key
          and (earlier.state = 'open' or earlier.send_kind = 'discard'
            or earlier.state = 'redriving' and earlier.code not in ${waiting})
      ))
      order by position, letter_id
      limit ${sendMax}
    )
    select letter_id as "letterId", send_kind as kind, send_number as "sendNumber", service, consumer, tenant_id as tenant, key,
      event_id as "eventId", redrive_subject as "redriveSubject", headers, payload, coalesce((
        select reason from letter_action
        where letter_action.letter_id = free.letter_id and action = 'DISCARDED' limit 1
      ), '') as reason
    from free where bytes_before <= ${sendBytesMax}
    order by position, letter_id`.execute(db);
  return read.rows;
}

/** Puts off letters that could not be sent, each time for longer, so that they do not take the places of others. */
export async function putOff<Tables>(tx: Transaction<Tables>, letters: readonly LetterToSend[], now: Date): Promise<void> {
  if (letters.length === 0) return;
  await sql`
    update dead_letter
    set checks = checks + 1, send_after = ${now}::timestamptz + make_interval(secs => least(power(2, least(checks, 10)), 60))
    from unnest(
      ${letters.map(({ letterId }) => letterId)}::text[], ${letters.map(({ sendNumber }) => sendNumber)}::integer[]
    ) as failed (letter_id, send_number)
    where dead_letter.letter_id = failed.letter_id and dead_letter.send_number = failed.send_number
      and dead_letter.sent_time is null`.execute(tx);
}

/** Writes down what was sent, unless it has an outcome already. */
export async function markSent<Tables>(tx: Transaction<Tables>, letters: readonly LetterToSend[], now: Date): Promise<void> {
  if (letters.length === 0) return;
  const marked = await sql<{ letterId: string; state: string; redriveId: string | null }>`
    update dead_letter
    set sent_time = ${now}, checks = 0, check_time = ${new Date(now.getTime() + checkDelayMs(0))}
    from unnest(
      ${letters.map(({ letterId }) => letterId)}::text[], ${letters.map(({ sendNumber }) => sendNumber)}::integer[]
    ) as sent (letter_id, send_number)
    where dead_letter.letter_id = sent.letter_id and dead_letter.send_number = sent.send_number
      and dead_letter.send_kind is not null and dead_letter.sent_time is null
    returning dead_letter.letter_id as "letterId", dead_letter.state, (
      select redrive_id from redrive_letter
      where redrive_letter.letter_id = dead_letter.letter_id and outcome = 'waiting' limit 1
    ) as "redriveId"`.execute(tx);
  const redriven = marked.rows.filter(({ state }) => state === "redriving");
  await noteOutcomes(
    tx,
    redriven.map(({ letterId }) => letterId),
    "sent",
  );
  await record(
    tx,
    redriven.map(({ letterId, redriveId }) => ({
      letterId,
      action: "REDRIVE_SENT" as const,
      actor: byItself,
      reason: "",
      redriveId: redriveId ?? "",
      time: now,
      tells: "nothing" as const,
    })),
  );
}

export interface LetterToCheck {
  letterId: string;
  service: string;
  eventId: string;
  eventTime: Date;
  sendNumber: number;
  sentTime: Date;
}

const checkMax = 1_000;

/** Letters that were sent and whose outcome should be asked for now, and when the next ones should be. */
export async function readToCheck<Tables>(
  db: Kysely<Tables>,
  now: Date,
): Promise<{ letters: LetterToCheck[]; nextTime: Date | undefined }> {
  const read = await sql<LetterToCheck>`
    select letter_id as "letterId", service, event_id as "eventId", event_time as "eventTime", send_number as "sendNumber",
      sent_time as "sentTime"
    from dead_letter where check_time <= ${now} and consumer <> 'relay' order by check_time limit ${checkMax}`.execute(db);
  const next = await sql<{ nextTime: Date | null }>`
    select min(check_time) as "nextTime" from dead_letter where check_time > ${now} and consumer <> 'relay'`.execute(db);
  return { letters: read.rows, nextTime: next.rows[0]?.nextTime ?? undefined };
}

/** Puts off the next question, each time for longer. */
export async function postponeChecks<Tables>(
  tx: Transaction<Tables>,
  letters: readonly LetterToCheck[],
  now: Date,
): Promise<void> {
  if (letters.length === 0) return;
  await sql`
    update dead_letter
    set checks = checks + 1,
      check_time = ${now}::timestamptz + make_interval(secs => least(0.1 * power(2, least(checks + 1, 10)), 10))
    from unnest(
      ${letters.map(({ letterId }) => letterId)}::text[], ${letters.map(({ sendNumber }) => sendNumber)}::integer[]
    ) as asked (letter_id, send_number)
    where dead_letter.letter_id = asked.letter_id and dead_letter.send_number = asked.send_number
      and check_time is not null`.execute(tx);
}

/** What was sent so long ago without an outcome may have been lost with its stream, and is sent once more. */
export async function sendOnceMore<Tables>(tx: Transaction<Tables>, { before }: { before: Date }): Promise<number> {
  const again = await sql`
    update dead_letter set sent_time = null, check_time = null, send_number = send_number + 1
    where sent_time < ${before} and check_time is not null`.execute(tx);
  return Number(again.numAffectedRows ?? 0n);
}

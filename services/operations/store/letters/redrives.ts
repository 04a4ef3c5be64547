// Letters that were asked to be sent again: one by one, or many together with their progress.
import { sql, type Kysely, type Transaction } from "kysely";
import { newId } from "#runtime/ids.ts";
import { filterCondition, type LetterFilter } from "./filter.ts";
import { record } from "./history.ts";
import { takeTurn } from "./turn.ts";

export interface Asking {
  actor: string;
  reason: string;
  now: Date;
}

export interface RedriveProgress {
  redriveId: string;
  letters: number;
  waiting: number;
  sent: number;
  resolved: number;
  failed: number;
  actor: string;
  reason: string;
  createTime: Date;
  finishTime: Date | null;
}

/** Marks open letters to be sent again, and writes that down. The transaction has the turn. */
export async function askRedrive<Tables>(
  tx: Transaction<Tables>,
  letterIds: readonly string[],
  { actor, reason, now, redriveId = "" }: Asking & { redriveId?: string },
): Promise<string[]> {
  if (letterIds.length === 0) return [];
  const asked = await sql<{ letterId: string }>`
    update dead_letter
    set state = 'redriving', send_kind = 'redrive', send_number = send_number + 1, sent_time = null, send_after = null,
      check_time = null, checks = 0
    where letter_id = any(${[...letterIds]}::text[]) and state = 'open'
    returning letter_id as "letterId"`.execute(tx);
  const ids = asked.rows.map(({ letterId }) => letterId);
  await record(
    tx,
    ids.map((letterId) => ({
      letterId,
      action: "REDRIVE_ASKED" as const,
      actor,
      reason,
      redriveId,
      time: now,
      tells: "nothing" as const,
    })),
  );
  return ids;
}

const sendable = sql`
  letter.state = 'open' and (letter.consumer = 'relay' or letter.payload is not null and letter.redrive_subject is not null)`;

/**
 * Open letters that a filter selects and that can be sent: without those that wait behind a letter which the filter
 * leaves out. A letter that waits for another one of the same redrive goes after it.
 */
function selected(filter: LetterFilter) {
  const chosen = filterCondition({ ...filter, state: undefined });
  return sql`
    select letter.letter_id from dead_letter letter
    where ${sendable} and ${chosen} and not exists (
      select from dead_letter earlier
      where earlier.service = letter.service and earlier.consumer = letter.consumer and earlier.tenant_id = letter.tenant_id
        and earlier.key = letter.key and earlier.position < letter.position and letter.holds_key and earlier.holds_key
        and earlier.state = 'open'
        and not exists (select from dead_letter letter where letter.letter_id = earlier.letter_id and ${sendable} and ${chosen})
    )`;
}

export async function countSelected<Tables>(db: Kysely<Tables>, filter: LetterFilter): Promise<number> {
  const counted = await sql<{ letters: number }>`
    select count(*) as letters from (${selected(filter)}) as selected`.execute(db);
  return counted.rows[0]?.letters ?? 0;
}

/** Begins a redrive of all that a filter selects. The same request id answers the first redrive, which is not new. */
export async function beginRedrive<Tables>(
  tx: Transaction<Tables>,
  { filter, requestId, ...asking }: Asking & { filter: LetterFilter; requestId: string },
): Promise<{ redriveId: string; isNew: boolean }> {
  await takeTurn(tx);
  const redriveId = newId("rdr");
  const { actor, reason, now } = asking;
  const begun = await sql<{ redriveId: string }>`
    insert into redrive (redrive_id, request_id, actor, reason, create_time)
    values (${redriveId}, ${requestId || null}, ${actor}, ${reason}, ${now})
    on conflict (request_id) do nothing
    returning redrive_id as "redriveId"`.execute(tx);
  if (begun.rows.length === 0) {
    const first = await sql<{ redriveId: string }>`
      select redrive_id as "redriveId" from redrive where request_id = ${requestId}`.execute(tx);
    return { redriveId: first.rows[0]?.redriveId ?? "", isNew: false };
  }
  const chosen = await sql<{ letterId: string }>`
    insert into redrive_letter (redrive_id, letter_id, outcome)
    select ${redriveId}, letter_id, 'waiting' from (${selected(filter)}) as selected
    returning letter_id as "letterId"`.execute(tx);
  await askRedrive(
    tx,
    chosen.rows.map(({ letterId }) => letterId),
    { ...asking, redriveId },
  );
  await finishRedrives(tx, now);
  return { redriveId, isNew: true };
}

export async function readRedrive<Tables>(db: Kysely<Tables>, redriveId: string): Promise<RedriveProgress | undefined> {
  const read = await sql<RedriveProgress>`
    select redrive_id as "redriveId", actor, reason, create_time as "createTime", finish_time as "finishTime", counts.*
    from redrive, lateral (
      select count(*) as letters, count(*) filter (where outcome = 'waiting') as waiting,
        count(*) filter (where outcome = 'sent') as sent, count(*) filter (where outcome = 'resolved') as resolved,
        count(*) filter (where outcome = 'failed') as failed
      from redrive_letter where redrive_letter.redrive_id = redrive.redrive_id
    ) as counts
    where redrive_id = ${redriveId}`.execute(db);
  return read.rows[0];
}

/** Writes down how far letters have come in the redrives that they are part of. */
export async function noteOutcomes<Tables>(
  tx: Transaction<Tables>,
  letterIds: readonly string[],
  outcome: "sent" | "resolved" | "failed",
): Promise<void> {
  if (letterIds.length === 0) return;
  const noted = await sql`
    update redrive_letter set outcome = ${outcome}
    where letter_id = any(${[...letterIds]}::text[]) and outcome in ('waiting', 'sent')`.execute(tx);
  if (outcome !== "sent" && (noted.numAffectedRows ?? 0n) > 0n) await finishRedrives(tx, new Date());
}

async function finishRedrives<Tables>(tx: Transaction<Tables>, now: Date): Promise<void> {
  await sql`
    update redrive set finish_time = ${now}
    where finish_time is null and not exists (
      select from redrive_letter
      where redrive_letter.redrive_id = redrive.redrive_id and outcome in ('waiting', 'sent')
    )`.execute(tx);
}

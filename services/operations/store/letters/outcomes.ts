// Letters that are over: handled after all, or told to their service as given up.
import { sql, type Kysely, type Transaction } from "kysely";
import { byItself } from "./names.ts";
import { record } from "./history.ts";
import { noteOutcomes } from "./redrives.ts";

/** Letters whose event has taken effect. What was discarded is no longer to be told. */
async function resolve<Tables>(tx: Transaction<Tables>, letterIds: readonly string[], now: Date): Promise<number> {
  if (letterIds.length === 0) return 0;
  const resolved = await sql<{ letterId: string }>`
    update dead_letter
    set state = 'resolved', close_time = ${now}, send_kind = null, check_time = null
    where letter_id = any(${[...letterIds]}::text[]) and state in ('open', 'redriving')
    returning letter_id as "letterId"`.execute(tx);
  await sql`
    update dead_letter set send_kind = null, check_time = null
    where letter_id = any(${[...letterIds]}::text[]) and send_kind = 'discard'`.execute(tx);
  const ids = resolved.rows.map(({ letterId }) => letterId);
  await noteOutcomes(tx, ids, "resolved");
  await record(
    tx,
    ids.map((letterId) => ({
      letterId,
      action: "RESOLVED" as const,
      actor: byItself,
      reason: "it has taken effect",
      redriveId: "",
      time: now,
      tells: "closed" as const,
    })),
  );
  return ids.length;
}

/** Ends letters that were sent and handled. The transaction has the turn. */
export const resolveLetters = resolve;

/** Ends every letter of a service whose event it has handled, however it came to it. The transaction has the turn. */
export async function resolveHandled<Tables>(
  tx: Transaction<Tables>,
  { service, eventIds, now }: { service: string; eventIds: readonly string[]; now: Date },
): Promise<number> {
  const found = await readUnfinished(tx, { service, eventIds });
  return resolve(tx, found, now);
}

/** Letters of these events of a service that are not over. */
export async function readUnfinished<Tables>(
  db: Kysely<Tables>,
  { service, eventIds }: { service: string; eventIds: readonly string[] },
): Promise<string[]> {
  if (eventIds.length === 0) return [];
  const read = await sql<{ letterId: string }>`
    select letter_id as "letterId" from dead_letter
    where service = ${service} and consumer <> 'relay' and event_id <> '' and event_id = any(${[...eventIds]}::text[])
      and (state in ('open', 'redriving') or send_kind is not null)`.execute(db);
  return read.rows.map(({ letterId }) => letterId);
}

/** Unsent events of a service that have letters which are not over. */
export async function readUnsentLetters<Tables>(
  db: Kysely<Tables>,
  service: string,
): Promise<{ letterId: string; eventId: string; isSent: boolean; sentTime: Date | null }[]> {
  const read = await sql<{ letterId: string; eventId: string; isSent: boolean; sentTime: Date | null }>`
    select letter_id as "letterId", event_id as "eventId", sent_time is not null as "isSent", sent_time as "sentTime"
    from dead_letter
    where service = ${service} and consumer = 'relay' and state in ('open', 'redriving')
    order by position limit 1000`.execute(db);
  return read.rows;
}

const closedLettersDeletedMax = 500;

/** Deletes letters that have been closed for so long, with their history; some at a time. */
export async function deleteClosed<Tables>(tx: Transaction<Tables>, before: Date): Promise<number> {
  const deleted = await sql`
    delete from dead_letter where letter_id in (
      select letter_id from dead_letter where close_time < ${before} and send_kind is null
      order by close_time limit ${closedLettersDeletedMax}
    )`.execute(tx);
  await sql`
    delete from redrive where finish_time < ${before}
      and not exists (select from redrive_letter where redrive_letter.redrive_id = redrive.redrive_id)`.execute(tx);
  return Number(deleted.numAffectedRows ?? 0n);
}

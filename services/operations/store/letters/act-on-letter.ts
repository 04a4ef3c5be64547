// What a person does with one letter: the row as the decision needs it, and the closing of it.
import { sql, type Transaction } from "kysely";
import type { AskedLetter, LetterState } from "../../domain/letters.ts";
import { relayConsumer } from "./names.ts";
import { record } from "./history.ts";
import { noteOutcomes, type Asking } from "./redrives.ts";
import { takeTurn } from "./turn.ts";

/** A letter that was sent has an outcome within moments; where it has none for so long, nobody takes it. */
const onItsWay = "30 seconds";

/** Takes the turn and reads the letter; undefined where there is none. */
export async function readAsked<Tables>(
  tx: Transaction<Tables>,
  letterId: string,
): Promise<(AskedLetter & { holdsKey: boolean; isOnItsWay: boolean }) | undefined> {
  await takeTurn(tx);
  const read = await sql<{
    state: LetterState;
    consumer: string;
    hasPayload: boolean;
    hasRedriveSubject: boolean;
    holdsKey: boolean;
    isOnItsWay: boolean;
    openBefore: string | null;
  }>`
    select state, consumer, payload is not null as "hasPayload", redrive_subject is not null as "hasRedriveSubject",
      holds_key as "holdsKey", coalesce(sent_time > now() - ${onItsWay}::interval, false) as "isOnItsWay", (
        select earlier.letter_id from dead_letter earlier
        where earlier.service = letter.service and earlier.consumer = letter.consumer and earlier.tenant_id = letter.tenant_id
          and earlier.key = letter.key and earlier.position < letter.position and earlier.holds_key and letter.holds_key
          and earlier.state = 'open'
        order by earlier.position limit 1
      ) as "openBefore"
    from dead_letter letter where letter_id = ${letterId}`.execute(tx);
  const [row] = read.rows;
  if (!row) return undefined;
  const { consumer, openBefore, ...letter } = row;
  return { ...letter, letterId, isUnsent: consumer === relayConsumer, openBefore: openBefore ?? "" };
}

/** Closes a letter that is not over as given up. Its service is told afterwards, where it holds something back. */
export async function discardLetter<Tables>(
  tx: Transaction<Tables>,
  letterId: string,
  { actor, reason, now, tellsConsumer }: Asking & { tellsConsumer: boolean },
): Promise<void> {
  const closed = await sql`
    update dead_letter
    set state = 'discarded', close_time = ${now}, send_kind = ${tellsConsumer ? "discard" : null},
      send_number = send_number + ${tellsConsumer ? 1 : 0}, sent_time = null, send_after = null, check_time = null,
      checks = 0
    where letter_id = ${letterId} and state in ('open', 'redriving')`.execute(tx);
  if (closed.numAffectedRows !== 1n) return;
  await noteOutcomes(tx, [letterId], "failed");
  await record(tx, [{ letterId, action: "DISCARDED", actor, reason, redriveId: "", time: now, tells: "closed" }]);
}

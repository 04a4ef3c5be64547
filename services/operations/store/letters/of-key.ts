// The letters of one key of one tenant with what happened to them, by one statement.
import { sql, type Kysely } from "kysely";
import type { LetterAction, LetterState } from "../../domain/letters.ts";

export interface LetterOfKey {
  letterId: string;
  state: LetterState;
  service: string;
  eventId: string;
  code: string;
  attempts: number;
  /** Empty where there is none. */
  waitsBehind: string;
  /** Oldest first. */
  actions: { action: LetterAction; actor: string; time: string }[];
}

const actionsMax = 50;

/** Oldest first, at most the given number. */
export async function readLettersOfKey<Tables>(
  db: Kysely<Tables>,
  { tenant, key, rowsMax }: { tenant: string; key: string; rowsMax: number },
): Promise<LetterOfKey[]> {
  const read = await sql<LetterOfKey>`
    select letter_id as "letterId", state, service, event_id as "eventId", code, attempts,
      coalesce((
        select earlier.letter_id from dead_letter earlier
        where earlier.consumer = letter.consumer and earlier.tenant_id = letter.tenant_id and earlier.key = letter.key
          and earlier.service = letter.service and earlier.position < letter.position and earlier.holds_key
          and letter.holds_key and earlier.state in ('open', 'redriving')
        order by earlier.position limit 1
      ), '') as "waitsBehind",
      (
        select coalesce(json_agg(json_build_object('action', action, 'actor', actor, 'time', action_time) order by sequence), '[]')
        from (
          select * from letter_action where letter_action.letter_id = letter.letter_id order by sequence limit ${actionsMax}
        ) as done
      ) as actions
    from dead_letter letter
    where key = ${key} and tenant_id = ${tenant}
    order by first_failure_time, position, letter_id
    limit ${rowsMax}`.execute(db);
  return read.rows;
}

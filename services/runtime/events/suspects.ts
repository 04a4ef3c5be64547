// Events that may be what the process dies of. One that was delivered several times without an answer is handled alone,
// and after a few deaths in its company it is a dead letter, before it takes the deliveries of its neighbours with it.
import { sql, type Kysely } from "kysely";
import type { Delivery } from "./delivery.ts";

/** Deliveries after which an event is a suspect: two instances had it in hand and did not answer. */
const deliveriesOfSuspect = 3;
/** How often a suspect may be handled alone. With the deliveries before, it stays well below the server's maximum. */
export const triesAloneMax = 3;

export const isSuspect = ({ message }: Delivery): boolean => message.info.deliveryCount >= deliveriesOfSuspect;

/** Writes down, before it is handled, that an event is handled alone once more; answers how often that makes. */
export async function countTryAlone<Tables>(db: Kysely<Tables>, eventId: string): Promise<number> {
  const counted = await sql<{ tries: number }>`
    insert into suspect_event (event_id, tries) values (${eventId}, 1)
    on conflict (event_id) do update set tries = suspect_event.tries + 1
    returning tries`.execute(db);
  return counted.rows[0]?.tries ?? 1;
}

/** The process has outlived it, whatever came of it. */
export async function clearSuspect<Tables>(db: Kysely<Tables>, eventId: string): Promise<void> {
  await sql`delete from suspect_event where event_id = ${eventId}`.execute(db);
}

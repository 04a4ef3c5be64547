// Events that may be what the process dies of. What was delivered several times without an answer is handled in ever smaller
// company, in the end alone, and after a few deaths it is a dead letter, before it takes the deliveries of its neighbours with
// it. Most suspects are innocent: whoever dies, or cannot keep up, leaves everything that it had in hand without an answer. So
// the company shrinks step by step: to handle all of them alone would take longest just where time is short already.
import { sql, type Kysely } from "kysely";
import type { Delivery } from "./delivery.ts";

const handledTogether: Readonly<Record<number, number>> = {
  1: Number.POSITIVE_INFINITY,
  2: Number.POSITIVE_INFINITY,
  3: 64,
  4: 8,
};

/** How many events may be handled in one transaction with one that was delivered so often, itself included. */
export const companyMax = (deliveryCount: number): number => handledTogether[deliveryCount] ?? 1;

/** How often a suspect may be handled alone. With the deliveries before, it stays well below the server's maximum. */
export const triesAloneMax = 3;

/** Cuts deliveries into parts that may be handled together, in their order. */
export function partsOf(deliveries: readonly Delivery[], companyOf: (delivery: Delivery) => number): Delivery[][] {
  const parts: Delivery[][] = [];
  let sizeMax = 0;
  for (const delivery of deliveries) {
    const part = parts.at(-1);
    const company = companyOf(delivery);
    if (part && part.length < Math.min(sizeMax, company)) {
      part.push(delivery);
      sizeMax = Math.min(sizeMax, company);
    } else {
      parts.push([delivery]);
      sizeMax = company;
    }
  }
  return parts;
}

let lastTurn: Promise<unknown> = Promise.resolve();

/**
 * Suspects are handled one after the other in the whole process, whatever their service: beside the one that it dies of, an innocent
 * one would be counted for the same deaths.
 */
export function aloneInProcess<Result>(work: () => Promise<Result>): Promise<Result> {
  const turn = lastTurn.then(work);
  lastTurn = turn.catch(() => {});
  return turn;
}

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

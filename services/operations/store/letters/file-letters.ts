// Failures become letters: one letter for each message of each consumer, whoever tells of it and how often.
import { sql, type Transaction } from "kysely";
import { newId } from "#runtime/ids.ts";
import type { LetterSource } from "../../domain/letters.ts";
import { byItself, relayConsumer } from "./names.ts";
import { holdsKey, planFailure, type KnownLetter } from "./plan-failure.ts";
import type { LetterNews } from "../../domain/alerts.ts";
import { planAlert } from "../alerts.ts";
import { record, storable } from "./history.ts";
import { insertLetters, reopenLetters, returnWaiting, type ReopenedLetter } from "./open-letters.ts";
import { redriveSubjectOf, type Original } from "./original.ts";
import { noteOutcomes } from "./redrives.ts";
import { takeTurn } from "./turn.ts";

/** A message that a consumer could not handle, or an event that could not be sent. */
export interface Failure {
  /** Name of the service that should have handled or sent it. */
  service: string;
  /** Durable consumer; "relay" for an unsent event. */
  consumer: string;
  /** Empty for an unsent event. */
  stream: string;
  /** 0 for an unsent event. */
  streamSequence: number;
  /** Order among the failures of its key: the place in the stream, or the event's own number where it is unsent. */
  position: number;
  original: Original;
  code: string;
  message: string;
  /** How often the consumer has tried it; with isTotal also before this failure. */
  attempts: number;
  attemptsAreTotal: boolean;
  time: Date;
  source: LetterSource;
}

export interface Filed {
  opened: number;
  reopened: number;
}

/**
 * Files failures in the given transaction: new letters, letters that are open again, and what waits behind them.
 * Idempotent: a failure that is filed already, under its stream, consumer and sequence, changes nothing, and an event
 * that has an open letter at the same consumer gets no second one. Any number at once; the caller's transaction has
 * the turn on all letters afterwards, so it should end soon.
 */
export async function fileFailures<Tables>(tx: Transaction<Tables>, failures: readonly Failure[]): Promise<Filed> {
  if (failures.length === 0) return { opened: 0, reopened: 0 };
  await takeTurn(tx);
  const fresh = await withoutKnown(tx, failures);
  const letters = await findLetters(tx, fresh);
  const plans = planAll(fresh, letters);
  const opened = plans.flatMap(({ plan, failure, letterId }) => (plan === "open" ? [letterRow(letterId, failure)] : []));
  const reopened = plans.flatMap(({ plan, failure, letterId }) => (plan === "reopen" ? [reopening(letterId, failure)] : []));
  await insertLetters(tx, opened);
  const again = await reopenLetters(tx, reopened);
  await insertDeliveries(tx, plans);
  await noteOutcomes(
    tx,
    again.map(({ letterId }) => letterId),
    "failed",
  );
  const returned = await returnWaiting(tx, again);
  await noteOutcomes(
    tx,
    returned.map(({ letterId }) => letterId),
    "failed",
  );
  await record(tx, [
    ...opened.map((row) => openedRow(row.letterId, row)),
    ...again.map((letter) => ({ ...openedRow(letter.letterId, letter), action: "FAILED_AGAIN" as const })),
    ...returned.map(({ letterId, behind, time }) => ({
      ...openedRow(letterId, { code: "KEY_PARKED", message: `waits behind ${behind}, which failed again`, time }),
      action: "FAILED_AGAIN" as const,
    })),
  ]);
  // The last statement, as it asks to be.
  await planAlert(tx, { now: new Date(), letters: opened.map(alertNews) });
  return { opened: opened.length, reopened: again.length };
}

const alertNews = ({ time, ...letter }: ReturnType<typeof letterRow>): LetterNews => ({ ...letter, failureTime: time });

const openedRow = (letterId: string, { code, message, time }: { code: string; message: string; time: Date }) => ({
  letterId,
  action: "CAPTURED" as const,
  actor: byItself,
  reason: `${code}: ${message}`,
  redriveId: "",
  time,
  tells: "opened" as const,
});

const deliveryKey = ({ stream, consumer, streamSequence, original }: Failure): string =>
  `${stream} ${consumer} ${streamSequence} ${original.eventId}`;

/** Leaves out what was filed before, and all but the first where one batch tells the same twice. */
async function withoutKnown<Tables>(tx: Transaction<Tables>, failures: readonly Failure[]): Promise<Failure[]> {
  const first = [...new Map(failures.toReversed().map((failure) => [deliveryKey(failure), failure])).values()].toReversed();
  const stored = first.filter(({ consumer }) => consumer !== relayConsumer);
  if (stored.length === 0) return first;
  const known = await sql<{ index: number }>`
    select distinct given.index from unnest(
      ${stored.map(({ stream }) => stream)}::text[],
      ${stored.map(({ consumer }) => consumer)}::text[],
      ${stored.map(({ streamSequence }) => streamSequence)}::bigint[],
      ${stored.map(({ original }) => original.eventId)}::text[]
    ) with ordinality as given (stream, consumer, stream_sequence, event_id, index)
    join letter_delivery using (stream, consumer, stream_sequence)
    where letter_delivery.event_id = given.event_id or letter_delivery.event_id = '' or given.event_id = ''`.execute(tx);
  const repeats = new Set(known.rows.map(({ index }) => stored[index - 1]));
  return first.filter((failure) => !repeats.has(failure));
}

async function findLetters<Tables>(tx: Transaction<Tables>, failures: readonly Failure[]): Promise<KnownLetter[]> {
  const read = await sql<KnownLetter>`
    select letter_id as "letterId", service, consumer, event_id as "eventId", state from dead_letter
    where letter_id = any(${failures.map(({ original }) => original.letterId).filter((id) => id !== "")}::text[])
      or event_id <> '' and state in ('open', 'redriving')
        and event_id = any(${failures.map(({ original }) => original.eventId).filter((id) => id !== "")}::text[])`.execute(tx);
  return read.rows;
}

interface Planned {
  plan: "open" | "reopen" | "known";
  failure: Failure;
  letterId: string;
}

/** In the order of the failures, so that what a batch opens is known to what comes after it. */
function planAll(failures: readonly Failure[], found: readonly KnownLetter[]): Planned[] {
  const byId = new Map(found.map((letter) => [letter.letterId, letter]));
  const eventName = ({ service, consumer, eventId }: { service: string; consumer: string; eventId: string }): string =>
    `${service} ${consumer} ${eventId}`;
  const live = found.filter(({ state }) => state === "open" || state === "redriving");
  const byEvent = new Map(live.map((letter) => [eventName(letter), letter]));
  return failures.map((failure) => {
    const { service, consumer, original } = failure;
    const { eventId } = original;
    const failed = { service, consumer, eventId, letterId: original.letterId };
    const plan = planFailure(failed, { byId: (id) => byId.get(id), ofEvent: (message) => byEvent.get(eventName(message)) });
    const letterId = plan.kind === "open" ? newId("ltr") : plan.letterId;
    const letter: KnownLetter = { letterId, service, consumer, eventId, state: "open" };
    byId.set(letterId, letter);
    if (eventId !== "") byEvent.set(eventName(letter), letter);
    return { plan: plan.kind, failure, letterId };
  });
}

const letterRow = (letterId: string, { original, ...failure }: Failure) => ({
  ...failure,
  ...original,
  letterId,
  message: storable(failure.message),
  redriveSubject: redriveSubjectOf(failure.consumer, original),
  holdsKey: holdsKey({ ...failure, ...original }),
});

const reopening = (letterId: string, { original, ...failure }: Failure): ReopenedLetter => ({
  ...failure,
  letterId,
  message: storable(failure.message),
  holdsKey: holdsKey({ ...failure, ...original }),
});

async function insertDeliveries<Tables>(tx: Transaction<Tables>, plans: readonly Planned[]): Promise<void> {
  const stored = plans.filter(({ failure }) => failure.consumer !== relayConsumer);
  if (stored.length === 0) return;
  await sql`
    insert into letter_delivery (stream, consumer, stream_sequence, event_id, letter_id)
    select * from unnest(
      ${stored.map(({ failure }) => failure.stream)}::text[],
      ${stored.map(({ failure }) => failure.consumer)}::text[],
      ${stored.map(({ failure }) => failure.streamSequence)}::bigint[],
      ${stored.map(({ failure }) => failure.original.eventId)}::text[],
      ${stored.map(({ letterId }) => letterId)}::text[]
    )
    on conflict do nothing`.execute(tx);
}

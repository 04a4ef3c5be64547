// Compares what a service's consumers are over with with what the service says it has done.
import type { Bus } from "#runtime/events/bus.ts";
import { eventStream } from "#runtime/events/streams.ts";
import { holdLease, type Lease } from "#runtime/lease/lease-store.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { moveCursors, readKnown, type ConsumerIdentity } from "../store/letters/cursors.ts";
import { fileFailures } from "../store/letters/file-letters.ts";
import { isEventId } from "../store/letters/original.ts";
import { readUnfinished, resolveHandled } from "../store/letters/outcomes.ts";
import { takeTurn } from "../store/letters/turn.ts";
import type { OperationsTables } from "../store/tables.ts";
import { findUnhandled } from "./check-events.ts";
import { completeFailures, type ToldFailure } from "./failures.ts";
import { causeOfMalformed } from "./malformed.ts";

export interface Reconciling {
  runtime: ServiceRuntime<OperationsTables>;
  bus: Bus;
  lease: Lease;
  signal: AbortSignal;
}

export interface SettledMessage {
  streamSequence: number;
  /** As it was sent; empty where there is none. */
  eventId: string;
  eventTime: Date;
}

/** What one consumer is over with, up to a place in the stream. */
export interface SettledPart extends ConsumerIdentity {
  messages: readonly SettledMessage[];
  end: number;
}

/** Files what is missing, closes what has been handled, and moves the cursors, all in one transaction. */
export async function settle(
  { runtime, bus, lease }: Reconciling,
  service: string,
  parts: readonly SettledPart[],
): Promise<void> {
  const named = parts.flatMap((part) => part.messages).filter(({ eventId }) => isEventId(eventId));
  const unhandled = await findUnhandled(runtime, service, named);
  const isOver = ({ eventId }: SettledMessage): boolean => isEventId(eventId) && !unhandled.has(eventId);
  const handled = named.filter(isOver).map(({ eventId }) => eventId);
  const now = runtime.clock.now();
  const told: ToldFailure[] = [];
  for (const { consumer, messages: own } of parts) {
    const missing = await withoutKnown(
      runtime,
      consumer,
      own.filter((message) => !isOver(message)),
    );
    told.push(...missing.map((message) => toldBySilence(message, consumer, now)));
  }
  const failures = await completeFailures({ runtime, manager: bus.manager }, told);
  const filing = failures.flatMap((failure) => {
    const cause = failure.code === "DELIVERIES_EXHAUSTED" ? causeOfMalformed(failure.original) : undefined;
    return [cause ? { ...failure, ...cause } : failure];
  });
  const hasLetters = (await readUnfinished(runtime.db, { service, eventIds: handled })).length > 0;
  await runtime.transaction(async (tx) => {
    await holdLease(tx, lease);
    if (filing.length > 0) {
      const filed = await fileFailures(tx, filing);
      runtime.log.warn({ service, ...filed }, "letters_found_by_reconciler");
    }
    if (hasLetters) {
      await takeTurn(tx);
      await resolveHandled(tx, { service, eventIds: handled, now });
    }
    await moveCursors(tx, parts);
  });
}

async function withoutKnown(
  { db }: Reconciling["runtime"],
  consumer: string,
  suspects: readonly SettledMessage[],
): Promise<SettledMessage[]> {
  if (suspects.length === 0) return [];
  const known = await readKnown(db, { stream: eventStream, consumer, messages: suspects });
  return suspects.filter(({ streamSequence }) => !known.has(streamSequence));
}

const toldBySilence = ({ streamSequence }: SettledMessage, consumer: string, now: Date): ToldFailure => ({
  stream: eventStream,
  consumer,
  streamSequence,
  code: "DELIVERIES_EXHAUSTED",
  message: "the server delivers it no more, and it was not handled",
  attempts: 0,
  time: now,
  source: "reconciler",
});

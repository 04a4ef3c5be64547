// Reads every message of the stream once, headers only, and keeps of each key which of its events are there.
import { setTimeout as sleep } from "node:timers/promises";
import type { Transaction } from "kysely";
import type { JetStreamManager, JsMsg, StreamInfo } from "@nats-io/jetstream";
import { TenantCreatedSchema } from "#gen/ordermesh/identity/events/v1/identity_events_pb.ts";
import { sealTenant } from "#runtime/audit-log/seal.ts";
import type { Bus } from "#runtime/events/bus.ts";
import { readHeaders, takeHeaders } from "#runtime/events/envelope.ts";
import { headersOf } from "#runtime/events/message-headers.ts";
import { eventStream } from "#runtime/events/streams.ts";
import { holdLease, type Lease } from "#runtime/lease/lease-store.ts";
import type { BackgroundTask, ServiceRuntime } from "#runtime/service.ts";
import { findEventType, sendingServices } from "../events/event-types.ts";
import {
  addEvents,
  forgetKeysAfter,
  forgetKeysBefore,
  readReader,
  saveReader,
  type CountedEvent,
  type ReaderPosition,
} from "../store/audit/stream-keys.ts";
import { forgetTenants, noteTenants, type SeenTenant } from "../store/audit/tenants.ts";
import { fileFailures } from "../store/letters/file-letters.ts";
import type { OperationsTables } from "../store/tables.ts";
import { openHeaders, type HeaderReading } from "./audit-headers.ts";
import type { AuditSettings } from "./audit-settings.ts";
import { canBeCounted, parseSubject } from "../domain/audit-subject.ts";
import { unknownTypeFailures, type SeenMessage } from "./audit-unknown-types.ts";

const dayMs = 86_400_000;
/** The stream keeps seven days; one more, so that a key is not forgotten while an event of it is still there. */
const keyKeptMs = 8 * dayMs;
/** What the relay may still publish again after the stream was lost; with room for a relay that notices late. */
const publishedAgainMs = dayMs - 3_600_000;
const caughtUpEveryMs = 2_000;
/** Nobody waits for what is read here: what comes meanwhile is written in one transaction. */
const gatherMs = 1_000;
const forgetEveryMs = 60_000;
const forgetRowsMax = 5_000;

type Runtime = Pick<ServiceRuntime<OperationsTables>, "db" | "transaction" | "inBackground" | "clock" | "log">;

interface Reading {
  runtime: Runtime;
  bus: Bus;
  lease: Lease;
}

export function streamReaderTask(runtime: Runtime, { home }: Pick<AuditSettings, "home">): BackgroundTask {
  return {
    name: "stream_reader",
    run: async (bus, lease, signal) => {
      const reading = { runtime, bus, lease };
      let forgetAfterMs = 0;
      while (!signal.aborted) {
        const start = await findPlace(reading);
        const headers = await openHeaders(bus, start.streamSequence);
        try {
          let position = start;
          // A reading ends where a message may have been missed on the way, and begins again at what is stored.
          while (!signal.aborted && headers.isWhole()) {
            const { position: next, isEnd } = await step(reading, headers, position);
            position = next;
            if (isEnd) await sleep(gatherMs, undefined, { signal }).catch(() => {});
            if (performance.now() < forgetAfterMs) continue;
            forgetAfterMs = performance.now() + forgetEveryMs;
            await forgetOld(reading, home);
            if (await isAnotherStream(bus.manager, position)) break;
          }
        } finally {
          await headers.close();
        }
      }
    },
  };
}

/** Where to read on; the beginning where the stream is another than the one that was read, or has lost its end. */
async function findPlace({ runtime, bus, lease }: Reading): Promise<ReaderPosition> {
  const { created, state } = await bus.manager.streams.info(eventStream);
  const stored = await readReader(runtime.db, eventStream);
  if (stored && !isLost(stored, { created, state })) return stored;
  const now = runtime.clock.now();
  const position: ReaderPosition = {
    streamCreated: created,
    streamSequence: 0,
    coversSince: await coveredSince(bus.manager, { stored, state, now }),
    caughtUpTime: null,
  };
  if (stored) runtime.log.warn({ was: stored.streamSequence, is: state.last_seq }, "stream_read_from_its_beginning");
  // What was in the part that is gone is read anew from what is published again.
  const lastSequence = stored?.streamCreated === created ? state.last_seq : 0;
  for (let gone = forgetRowsMax; gone === forgetRowsMax;) {
    gone = await runtime.transaction(async (tx) => {
      await holdLease(tx, lease);
      return forgetKeysAfter(tx, { streamSequence: lastSequence, rowsMax: forgetRowsMax });
    });
  }
  await runtime.transaction(async (tx) => {
    await holdLease(tx, lease);
    await saveReader(tx, eventStream, position);
  });
  return position;
}

const isLost = (stored: ReaderPosition, { created, state }: Pick<StreamInfo, "created" | "state">): boolean =>
  stored.streamCreated !== created || stored.streamSequence > state.last_seq;

async function isAnotherStream(manager: JetStreamManager, position: ReaderPosition): Promise<boolean> {
  return isLost(position, await manager.streams.info(eventStream));
}

/** From when on every event of an order can be expected to be seen. */
async function coveredSince(
  manager: JetStreamManager,
  { stored, state, now }: { stored: ReaderPosition | undefined; state: StreamInfo["state"]; now: Date },
): Promise<Date> {
  if (stored) return new Date(now.getTime() - publishedAgainMs);
  if (state.first_seq <= 1) return new Date(0);
  const first = await manager.streams.getMessage(eventStream, { seq: state.first_seq });
  return first ? first.time : now;
}

interface Step {
  position: ReaderPosition;
  /** Nothing is left to be read. */
  isEnd: boolean;
}

async function step(reading: Reading, headers: HeaderReading, position: ReaderPosition): Promise<Step> {
  const { runtime, bus, lease } = reading;
  const { messages, isEnd } = await headers.next();
  const now = runtime.clock.now();
  if (messages.length === 0 && (!isEnd || isFresh(position, now))) return { position, isEnd };
  const next: ReaderPosition = {
    ...position,
    streamSequence: messages.at(-1)?.seq ?? position.streamSequence,
    caughtUpTime: isEnd ? now : position.caughtUpTime,
  };
  const seen = messages.map(described);
  const events = seen.flatMap(counted);
  // Before the transaction: it asks the server for what the headers alone do not tell.
  const unknown = await unknownTypeFailures(bus.manager, seen, now);
  const isTrimmed = messages.length > 0 && (await isBeginningGone(bus.manager, position));
  await runtime.inBackground(() =>
    runtime.transaction(async (tx) => {
      await holdLease(tx, lease);
      await addEvents(tx, events, { now, isTrimmed });
      await noteTenants(tx, events.flatMap(seenTenant));
      await fileFailures(tx, unknown);
      await saveReader(tx, eventStream, next);
    }),
  );
  if (unknown.length > 0) runtime.log.warn({ events: unknown.length }, "events_of_unknown_types");
  return { position: next, isEnd };
}

/** While nothing happens, that all has been read need not be written down at every look. */
const isFresh = ({ caughtUpTime }: ReaderPosition, now: Date): boolean =>
  caughtUpTime !== null && now.getTime() - caughtUpTime.getTime() < caughtUpEveryMs;

/** A stream that was begun anew lacks what was before it, as one whose oldest messages are gone for their age. */
async function isBeginningGone(manager: JetStreamManager, { coversSince }: ReaderPosition): Promise<boolean> {
  if (coversSince.getTime() > 0) return true;
  return (await manager.streams.info(eventStream)).state.first_seq > 1;
}

function described(message: JsMsg): SeenMessage {
  const parsed = parseSubject(message.subject);
  return {
    subject: message.subject,
    streamSequence: message.seq,
    time: message.time,
    sequence: readHeaders(takeHeaders(() => headersOf(message)).headers).sequence,
    isKnownType: parsed === undefined || findEventType(parsed.typeName) !== undefined,
  };
}

/** What was sent again to one consumer counts for nobody, and what its sender has not numbered cannot be missed. */
function counted(message: SeenMessage): (CountedEvent & { typeName: string })[] {
  const { subject, streamSequence, time, sequence, isKnownType } = message;
  const parsed = parseSubject(subject);
  if (!parsed || !isKnownType || sequence === 0 || !canBeCounted(parsed)) return [];
  const { service, tenant, key, typeName } = parsed;
  return [{ service, tenant, key, typeName, sequence, streamSequence, time }];
}

/**
 * Whoever has books has had events: stock comes by ProductCreated, all else by OrderCreated. So the stream tells whose books there
 * are, also where nobody has made the tenant, and while identity is away.
 */
function seenTenant({ tenant, typeName }: CountedEvent & { typeName: string }): SeenTenant[] {
  return tenant === sealTenant ? [] : [{ tenant, isRegistered: typeName === TenantCreatedSchema.typeName }];
}

async function forgetOld({ runtime, lease }: Reading, home: string): Promise<void> {
  const time = new Date(runtime.clock.now().getTime() - keyKeptMs);
  await runtime.transaction(async (tx: Transaction<OperationsTables>) => {
    await holdLease(tx, lease);
    await forgetKeysBefore(tx, { time, rowsMax: forgetRowsMax });
    await forgetTenants(tx, { home, services: sendingServices, rowsMax: forgetRowsMax });
  });
}

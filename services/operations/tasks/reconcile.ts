// Finds what no advisory has told: compares, a little every few seconds, what each consumer is over with with what its
// service says it has done, and takes in the events that services cannot send.
import type { ConsumerInfo } from "@nats-io/jetstream";
import { EventFate } from "#gen/ordermesh/delivery/v1/delivery_service_pb.ts";
import type { Bus } from "#runtime/events/bus.ts";
import { eventStream } from "#runtime/events/streams.ts";
import { holdLease, type Lease } from "#runtime/lease/lease-store.ts";
import type { BackgroundTask, ServiceRuntime } from "#runtime/service.ts";
import { numberSetting } from "#runtime/settings.ts";
import { createWakeUp } from "#runtime/wake-up.ts";
import { sendingServices } from "../events/event-types.ts";
import { countOpen } from "../store/letters/count-letters.ts";
import { moveCursor, readCursor, readKnown } from "../store/letters/cursors.ts";
import { fileFailures } from "../store/letters/file-letters.ts";
import { isEventId, serviceOfConsumer } from "../store/letters/original.ts";
import { deleteClosed, readUnfinished, resolveHandled } from "../store/letters/outcomes.ts";
import { takeTurn } from "../store/letters/turn.ts";
import type { OperationsTables } from "../store/tables.ts";
import { checkEvents } from "./check-events.ts";
import { completeFailures, type ToldFailure } from "./failures.ts";
import { causeOfMalformed } from "./malformed.ts";
import { readSettled, type SettledMessage } from "./read-settled.ts";
import { reconcileUnsent } from "./unsent.ts";

const closedKeptMs = 30 * 86_400_000;
/** Batches a consumer and pass, so that one that is far behind does not keep the others waiting. */
const batchesMax = 20;

interface Reconciling {
  runtime: ServiceRuntime<OperationsTables>;
  bus: Bus;
  lease: Lease;
  signal: AbortSignal;
}

export function reconcileTask(runtime: ServiceRuntime<OperationsTables>): BackgroundTask {
  const everyMs = numberSetting(runtime.env, "ORDERMESH_RECONCILE_MS", { fallback: 5_000, min: 50, max: 3_600_000 });
  const open = runtime.metrics.gauge("ordermesh_dead_letters_open", "Dead letters that wait for a person", ["consumer"]);
  const passes = runtime.metrics.counter("ordermesh_reconcile_passes_total", "Passes of the reconciler over all consumers");
  return {
    name: "reconcile",
    run: async (bus, lease, signal) => {
      const reconciling = { runtime, bus, lease, signal };
      const pause = createWakeUp();
      // What was over a pass ago: in between its advisory has arrived, if there is one.
      let floors = new Map<string, number>();
      while (!signal.aborted) {
        floors = await reconcileConsumers(reconciling, floors);
        for (const service of servicesOf(floors)) {
          if (!signal.aborted) await reconcileUnsent({ runtime, lease, service });
        }
        await runtime.transaction(async (tx) => {
          await holdLease(tx, lease);
          await deleteClosed(tx, new Date(runtime.clock.now().getTime() - closedKeptMs));
        });
        open.reset();
        for (const { consumer, letters } of await countOpen(runtime.db)) open.set({ consumer }, letters);
        passes.inc();
        await pause.wait(everyMs, signal);
      }
    },
  };
}

const durablePattern = /^[a-z]+_p\d+$/;

/**
 * Everything at or below the acknowledged floor is over. Where nothing is in flight, so is everything delivered: a
 * message past its deliveries leaves the server's list without moving the floor.
 */
function floorOf({ ack_floor, delivered, num_ack_pending }: ConsumerInfo): number {
  return num_ack_pending === 0 ? delivered.stream_seq : ack_floor.stream_seq;
}

/** Those that send by contract, and those that have consumers. */
const servicesOf = (floors: ReadonlyMap<string, number>): Set<string> =>
  new Set([...sendingServices, ...[...floors.keys()].map((name) => serviceOfConsumer(name.split(" ", 1)[0] ?? ""))]);

/** A consumer that was made anew must not be taken for the one before it. */
const identityOf = ({ name, created }: ConsumerInfo) => ({ consumer: name, created });

async function reconcileConsumers(reconciling: Reconciling, floors: ReadonlyMap<string, number>): Promise<Map<string, number>> {
  const { runtime, bus, signal } = reconciling;
  const seen = new Map<string, number>();
  for await (const info of bus.manager.consumers.list(eventStream)) {
    if (signal.aborted) return seen;
    if (!durablePattern.test(info.name)) continue;
    const { consumer, created } = identityOf(info);
    const name = `${consumer} ${created}`;
    seen.set(name, floorOf(info));
    const floor = floors.get(name) ?? 0;
    try {
      await reconcileConsumer(reconciling, info, floor);
    } catch (error) {
      if (signal.aborted) return seen;
      // Its service may be away; the others can still be compared.
      runtime.log.warn({ consumer, error: (error as Error).message }, "reconcile_failed");
    }
  }
  return seen;
}

async function reconcileConsumer(reconciling: Reconciling, info: ConsumerInfo, floor: number): Promise<void> {
  const { runtime, bus, signal } = reconciling;
  let cursor = await readCursor(runtime.db, identityOf(info));
  if (cursor >= floor) return;
  const subjects = info.config.filter_subjects ?? (info.config.filter_subject ? [info.config.filter_subject] : [">"]);
  const reading = await readSettled(bus, { subjects, after: cursor, floor });
  try {
    for (let batch = 0; batch < batchesMax && cursor < floor && !signal.aborted; batch += 1) {
      const messages = await reading.next();
      const end = messages.length > 0 && !reading.isOver() ? (messages.at(-1)?.streamSequence ?? floor) : floor;
      await settle(reconciling, info, messages, end);
      cursor = end;
    }
  } finally {
    await reading.close();
  }
}

/** Files what is missing of one batch, closes what has been handled, and moves the cursor, all in one transaction. */
async function settle(
  { runtime, bus, lease }: Reconciling,
  info: ConsumerInfo,
  messages: readonly SettledMessage[],
  end: number,
): Promise<void> {
  const consumer = info.name;
  const service = serviceOfConsumer(consumer);
  const askable = messages.filter(({ eventId }) => isEventId(eventId));
  const checked = await checkEvents(runtime, service, askable);
  const isOver = ({ eventId }: SettledMessage): boolean => checked.get(eventId)?.fate === EventFate.HANDLED;
  const handled = messages.filter(isOver).map(({ eventId }) => eventId);
  const suspects = messages.filter((message) => !isOver(message));
  const known = await readKnown(runtime.db, { stream: eventStream, consumer, messages: suspects });
  const missing = suspects.filter(({ streamSequence }) => !known.has(streamSequence));
  const now = runtime.clock.now();
  const failures = await completeFailures(
    { runtime, manager: bus.manager },
    missing.map((message) => toldBySilence(message, consumer, now)),
  );
  const filing = failures.flatMap((failure) => {
    const cause = failure.code === "DELIVERIES_EXHAUSTED" ? causeOfMalformed(failure.original) : undefined;
    return [cause ? { ...failure, ...cause } : failure];
  });
  const hasLetters = (await readUnfinished(runtime.db, { service, eventIds: handled })).length > 0;
  await runtime.transaction(async (tx) => {
    await holdLease(tx, lease);
    if (filing.length > 0) {
      const filed = await fileFailures(tx, filing);
      runtime.log.warn({ consumer, ...filed }, "letters_found_by_reconciler");
    }
    if (hasLetters) {
      await takeTurn(tx);
      await resolveHandled(tx, { service, eventIds: handled, now });
    }
    await moveCursor(tx, identityOf(info), end);
  });
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

// Finds what no advisory has told: compares, a little every few seconds, what each consumer is over with with what its
// service says it has done, and takes in the events that services cannot send.
import type { ConsumerInfo, JsMsg } from "@nats-io/jetstream";
import { readHeaders, takeHeaders } from "#runtime/events/envelope.ts";
import { headersOf } from "#runtime/events/message-headers.ts";
import { eventStream } from "#runtime/events/streams.ts";
import { holdLease } from "#runtime/lease/lease-store.ts";
import type { BackgroundTask, ServiceRuntime } from "#runtime/service.ts";
import { numberSetting } from "#runtime/settings.ts";
import { createWakeUp } from "#runtime/wake-up.ts";
import { groupNear } from "../domain/near-cursors.ts";
import { sendingServices } from "../events/event-types.ts";
import { countOpen } from "../store/letters/count-letters.ts";
import { cursorName, readCursors, type ConsumerIdentity } from "../store/letters/cursors.ts";
import { serviceOfConsumer } from "../store/letters/original.ts";
import { deleteClosed } from "../store/letters/outcomes.ts";
import type { OperationsTables } from "../store/tables.ts";
import { openHeaders } from "./audit-headers.ts";
import { durablePattern, receiversOf } from "./heard-subjects.ts";
import { settle, type Reconciling, type SettledMessage, type SettledPart } from "./reconcile-settled.ts";
import { reconcileUnsent } from "./unsent.ts";

const closedKeptMs = 30 * 86_400_000;
/** Batches a group and pass, so that one that is far behind does not keep the others waiting. */
const batchesMax = 60;

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
          if (!signal.aborted) await runtime.inBackground(() => reconcileUnsent({ runtime, lease, service }));
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

/** What a consumer is over with and has not been compared yet. */
interface Compared extends ConsumerIdentity {
  service: string;
  /** The last place in the stream that was compared. */
  cursor: number;
  floor: number;
  filters: readonly string[];
}

async function reconcileConsumers(reconciling: Reconciling, floors: ReadonlyMap<string, number>): Promise<Map<string, number>> {
  const { runtime, bus, signal } = reconciling;
  const seen = new Map<string, number>();
  const behind: Compared[] = [];
  const cursors = await readCursors(runtime.db);
  for await (const info of bus.manager.consumers.list(eventStream)) {
    if (!durablePattern.test(info.name)) continue;
    const name = cursorName({ consumer: info.name, created: info.created });
    seen.set(name, floorOf(info));
    const [cursor, floor] = [cursors.get(name) ?? 0, floors.get(name) ?? 0];
    if (cursor < floor) behind.push(comparedOf(info, { cursor, floor }));
  }
  for (const group of groupNear(behind)) {
    if (signal.aborted) break;
    await reconcileGroup(reconciling, group).catch((error: unknown) => {
      if (!signal.aborted) runtime.log.warn({ error: (error as Error).message }, "reconcile_failed");
    });
  }
  return seen;
}

function comparedOf({ name, created, config }: ConsumerInfo, { cursor, floor }: { cursor: number; floor: number }): Compared {
  const filters = config.filter_subjects ?? [config.filter_subject ?? ">"];
  return { consumer: name, created, service: serviceOfConsumer(name), cursor, floor, filters };
}

function takeApart(message: JsMsg): SettledMessage {
  const { id, time } = readHeaders(takeHeaders(() => headersOf(message)).headers);
  return { streamSequence: message.seq, eventId: id, eventTime: time };
}

/** Of what was read, what each consumer was given and is over with. */
function givenTo(
  receivers: (subject: string) => readonly Compared[],
  messages: readonly JsMsg[],
): Map<Compared, SettledMessage[]> {
  const given = new Map<Compared, SettledMessage[]>();
  for (const message of messages) {
    const over = receivers(message.subject).filter(({ cursor, floor }) => message.seq > cursor && message.seq <= floor);
    if (over.length === 0) continue;
    const settled = takeApart(message);
    for (const compared of over) {
      const own = given.get(compared);
      if (own) own.push(settled);
      else given.set(compared, [settled]);
    }
  }
  return given;
}

/** Reads the stream once for all of them: most events are given to several services, and each has a consumer a partition. */
async function reconcileGroup(reconciling: Reconciling, group: readonly Compared[]): Promise<void> {
  const { runtime, bus, signal } = reconciling;
  const failed = new Set<string>();
  const receivers = receiversOf(group);
  const reading = await openHeaders(bus, Math.min(...group.map(({ cursor }) => cursor)));
  try {
    for (let batch = 0; batch < batchesMax && !signal.aborted; batch += 1) {
      const open = group.filter(({ cursor, floor, service }) => cursor < floor && !failed.has(service));
      if (open.length === 0) return;
      const { messages, isEnd } = await reading.next();
      // What came before a loss is compared; the rest is read in the next pass.
      const readTo = isEnd ? Number.POSITIVE_INFINITY : (messages.at(-1)?.seq ?? 0);
      const given = givenTo(receivers, messages);
      for (const [service, own] of Map.groupBy(open, (compared) => compared.service)) {
        const parts = own.map((compared): SettledPart => {
          const { consumer, created, cursor, floor } = compared;
          return { consumer, created, messages: given.get(compared) ?? [], end: Math.max(cursor, Math.min(floor, readTo)) };
        });
        try {
          await runtime.inBackground(() => settle(reconciling, service, parts));
          own.forEach((compared, index) => (compared.cursor = parts[index]?.end ?? compared.cursor));
        } catch (error) {
          if (signal.aborted) return;
          // It may be away; the others can still be compared.
          failed.add(service);
          runtime.log.warn({ service, error: (error as Error).message }, "reconcile_failed");
        }
      }
      if (!reading.isWhole()) return;
    }
  } finally {
    await reading.close();
  }
}

// Files the failures of which the server tells, as they come.
import { AckPolicy, DeliverPolicy, type Consumer, type JsMsg } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import type { Bus } from "#runtime/events/bus.ts";
import { advisoryStream } from "#runtime/events/streams.ts";
import { holdLease, type Lease } from "#runtime/lease/lease-store.ts";
import type { BackgroundTask, ServiceRuntime } from "#runtime/service.ts";
import { fileFailures } from "../store/letters/file-letters.ts";
import type { OperationsTables } from "../store/tables.ts";
import { readAdvisory } from "./advisories.ts";
import { completeFailures } from "./failures.ts";
import { inTime } from "./in-time.ts";

export const advisoriesDurable = "operations_advisories";
/** Few, because each may bring a message of a megabyte into memory. */
const batchMax = 100;
/** Short, because a stop waits for it. */
const fetchExpiresMs = 1_000;
/** A batch that waits for the database longer than this comes again, which is harmless. */
const ackWaitMs = 30_000;

export function captureTask(runtime: ServiceRuntime<OperationsTables>): BackgroundTask {
  const waiting = runtime.metrics.gauge(
    "ordermesh_dead_letter_advisories_waiting",
    "Advisories of the server that are not yet read",
  );
  return {
    name: "capture",
    run: async (bus, lease, signal) => {
      const consumer = await openConsumer(bus);
      while (!signal.aborted) {
        const messages = await inTime(fetchBatch(consumer, signal));
        const last = messages.at(-1);
        waiting.set(last ? last.info.pending : 0);
        if (last) await capture({ runtime, bus, lease }, messages);
      }
    },
  };
}

async function openConsumer({ js, manager }: Bus): Promise<Consumer> {
  await manager.consumers.add(advisoryStream, {
    durable_name: advisoriesDurable,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: nanos(ackWaitMs),
    // An advisory that cannot be filed now is no dead letter itself.
    max_deliver: -1,
    max_ack_pending: 10 * batchMax,
  });
  return js.consumers.get(advisoryStream, advisoriesDurable);
}

/** What is there now, at most a batch; waits a while for the first. */
async function fetchBatch(consumer: Consumer, signal: AbortSignal): Promise<JsMsg[]> {
  const first = await consumer.next({ expires: fetchExpiresMs });
  if (!first) return [];
  const messages = [first];
  const missing = Math.min(first.info.pending, batchMax - 1);
  if (missing === 0 || signal.aborted) return messages;
  const fetched = await consumer.fetch({ max_messages: missing, expires: fetchExpiresMs });
  for await (const message of fetched) {
    messages.push(message);
    if (messages.length > missing) break;
  }
  return messages;
}

async function capture(
  { runtime, bus, lease }: { runtime: ServiceRuntime<OperationsTables>; bus: Bus; lease: Lease },
  messages: readonly JsMsg[],
): Promise<void> {
  const advisories = messages.map((message) => ({ message, advisory: readAdvisory(message.data) }));
  for (const { message, advisory } of advisories) {
    if (advisory.kind === "unreadable") runtime.log.warn({ streamSequence: message.seq }, "advisory_unreadable");
  }
  const told = advisories.flatMap(({ advisory }) => (advisory.kind === "failure" ? [advisory.failure] : []));
  if (told.length > 0) {
    const failures = await completeFailures({ runtime, manager: bus.manager }, told);
    const filed = await runtime.transaction(async (tx) => {
      await holdLease(tx, lease);
      return fileFailures(tx, failures);
    });
    runtime.log.info({ advisories: told.length, ...filed }, "letters_captured");
  }
  // After the commit: a crash before this line brings them again, and what is filed is known.
  for (const message of messages) message.ack();
}

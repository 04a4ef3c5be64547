// Pulls one partition's events and feeds them to its worker, across reconnects and restarts of the server.
import { JetStreamApiError, type Consumer, type ConsumerMessages, type JetStreamClient, type JsMsg } from "@nats-io/jetstream";
import type { Kysely } from "kysely";
import type { Lease } from "../lease/lease-store.ts";
import type { LeasedTask } from "../lease/lease-keeper.ts";
import type { Logger } from "../log.ts";
import type { Background } from "../background.ts";
import { createGroup } from "../group.ts";
import { createWakeUp } from "../wake-up.ts";
import { createBarrier, type Arrival, type Barrier } from "./barrier.ts";
import { createDecoder } from "./delivery.ts";
import { createBatchHandler, type BatchDatabase } from "./handle-batch.ts";
import type { Hearing } from "./hearing.ts";
import { createPartitionWorker, type PartitionWorker, type TakeBatchTurn } from "./partition-worker.ts";
import { ackWaitMs, durableName, eventStream } from "./streams.ts";

const pullMessages = 256;
/** While one turn lasts, what comes makes the batch of the next, which goes beside it only where it takes long. Milliseconds. */
const turnsAtOnce = 2;
const longTurnMs = 250;
/**
 * Events that were published together arrive a few at a time. Where a batch was not long ago more of them are on their way, and are
 * waited for; one that comes alone is not kept waiting.
 */
const companyMs = 20;
const companyWithinMs = 500;
/** So many events of a partition are company enough. */
const companyEnough = 64;
/** Short, because a pull that outlives a step-down of the leader waits in vain. */
const pullExpiresMs = 5_000;
/** Two missed in a row, and events are asked for again: their leader may have changed without a word. */
const heartbeatMs = 500;
/** A leader that was just elected looks for what is due only after a second or so. */
const barrierWaitMs = ackWaitMs + 2_000;
const barrierCheckMs = 250;

interface Arrived extends Arrival {
  message: JsMsg;
}

export interface ConsumeOptions<Tables> {
  service: string;
  hears: readonly Hearing[];
  partitions: number;
  db: Kysely<Tables>;
  database: BatchDatabase;
  js: JetStreamClient;
  retryDelaysMs: readonly number[];
  /** As in ServiceParts. */
  gatherEventsMs: number;
  background: Background;
  log: Logger;
}

/** One task a partition, each to run while its lease is held. */
export function consumerTasks<Tables>(options: ConsumeOptions<Tables>): LeasedTask[] {
  const decode = createDecoder(options.hears);
  const { takeTurn, hurry } = sharedTurns(options.background, options.gatherEventsMs);
  const batches = createBatchHandler(options.database);
  return Array.from({ length: options.partitions }, (_, partition) => ({
    name: durableName(options.service, partition),
    run: async (lease: Lease, signal: AbortSignal) => {
      const { db, retryDelaysMs } = options;
      const log = options.log.child({ consumer: lease.name });
      const worker = await createPartitionWorker({ db, batches, lease, partition, retryDelaysMs, takeTurn, log });
      const { messages, barrier } = await startPulling(options.js, lease.name);
      // Whichever ends first, a lost lease or a broken pull, ends the other.
      const ending = new AbortController();
      const end = (): void => ending.abort();
      signal.addEventListener("abort", end, { once: true });
      ending.signal.addEventListener("abort", hurry, { once: true });
      ending.signal.addEventListener("abort", () => messages.stop(), { once: true });
      if (signal.aborted) end();
      const accept = (arrived: Arrived[]): void => worker.accept(arrived.map(({ message }) => decode(message)));
      const checking = setInterval(() => accept(barrier.expire(performance.now())), barrierCheckMs);
      try {
        const pulling = pull(messages, { barrier, worker, accept }).finally(end);
        await Promise.all([pulling, worker.work(ending.signal).finally(end)]);
        if (!signal.aborted) throw new Error("the pull has ended");
      } finally {
        clearInterval(checking);
        signal.removeEventListener("abort", end);
        for (const { message } of barrier.drain()) message.nak();
      }
    },
  }));
}

/** The partitions of a service that have something to do share a turn, so that what they have goes into one transaction. */
function sharedTurns(background: Background, gatherMs: number): { takeTurn: TakeBatchTurn; hurry(): void } {
  // Whoever ends waits for nothing more to come.
  const gathering = createWakeUp();
  let beganMs = Number.NEGATIVE_INFINITY;
  let lasting: Promise<unknown> = Promise.resolve();
  let isEnough = false;
  const waitMs = (): number => {
    const sinceMs = performance.now() - beganMs;
    return Math.max(gatherMs - sinceMs, sinceMs < companyWithinMs && !isEnough ? companyMs : 0);
  };
  const turns = createGroup<() => Promise<void>, PromiseSettledResult<void>>({
    run: (works) => Promise.allSettled(works.map((work) => work())),
    isOfOne: () => false,
    itemsMax: Number.POSITIVE_INFINITY,
    inFlightMax: turnsAtOnce,
    waitingMax: Number.POSITIVE_INFINITY,
    takeTurn: async (work) => {
      await endOrTimeout(lasting, longTurnMs);
      const ms = waitMs();
      if (ms > 0) await gathering.wait(ms);
      beganMs = performance.now();
      isEnough = false;
      const turn = background.run(work);
      lasting = turn;
      return turn;
    },
  });
  return {
    takeTurn: async (work, waiting) => {
      isEnough ||= waiting >= companyEnough;
      const turn = await turns.add(work);
      if (turn.status === "rejected") throw turn.reason;
    },
    hurry: gathering.wake,
  };
}

/** Waits until the work has ended, however, but not for longer than that. */
async function endOrTimeout(work: Promise<unknown>, timeoutMs: number): Promise<void> {
  const ended = createWakeUp();
  void work.then(ended.wake, ended.wake);
  await ended.wait(timeoutMs);
}

async function startPulling(
  js: JetStreamClient,
  durable: string,
): Promise<{ messages: ConsumerMessages; barrier: Barrier<Arrived> }> {
  const consumer = await js.consumers.get(eventStream, durable);
  const info = await consumer.info();
  const barrier = createBarrier<Arrived>({
    deliveredSoFar: info.delivered.consumer_seq,
    unacknowledged: info.num_ack_pending,
    waitMs: barrierWaitMs,
    nowMs: performance.now(),
  });
  const messages = await consumer.consume({
    max_messages: pullMessages,
    expires: pullExpiresMs,
    idle_heartbeat: heartbeatMs,
    abort_on_missing_resource: true,
    // Asks again at once. The client would otherwise first look whether the consumer is there, and while its leader
    // changes wait for that answer, and then as long as a pull lasts.
    bind: true,
  });
  void endWhereGone(consumer, messages);
  return { messages, barrier };
}

/** Ends the pull where its consumer does not exist any more: nobody would ever answer it. */
async function endWhereGone(consumer: Consumer, messages: ConsumerMessages): Promise<void> {
  let isAsking = false;
  for await (const { type } of messages.status()) {
    if (isAsking || (type !== "heartbeats_missed" && type !== "no_responders")) continue;
    isAsking = true;
    void consumer
      .info()
      .catch((error: unknown) => {
        if (error instanceof JetStreamApiError && error.status === 404) messages.stop(error);
      })
      .finally(() => (isAsking = false));
  }
}

async function pull(
  messages: ConsumerMessages,
  to: { barrier: Barrier<Arrived>; worker: PartitionWorker; accept(arrived: Arrived[]): void },
): Promise<void> {
  for await (const message of messages) {
    const arrived = to.barrier.arrive(
      {
        message,
        streamSequence: message.seq,
        deliverySequence: message.info.deliverySequence,
        repeated: message.info.deliveryCount > 1 && !to.worker.awaitsRetryOf(message.seq),
      },
      performance.now(),
    );
    if (arrived.length > 0) to.accept(arrived);
  }
}

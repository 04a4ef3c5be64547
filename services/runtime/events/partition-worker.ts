// Works on one partition of a service's events: batches, order per key, retries, dead letters.
import type { Kysely } from "kysely";
import { isDatabaseConflict, isDatabaseUnavailable } from "../errors.ts";
import { crashPoint } from "../faults.ts";
import { LeaseLost, type Lease } from "../lease/lease-store.ts";
import type { Logger } from "../log.ts";
import { createWakeUp } from "../wake-up.ts";
import { endAsDeadLetter } from "./dead-letter.ts";
import type { Delivery, Malformed } from "./delivery.ts";
import type { BatchHandler } from "./handle-batch.ts";
import { RefusedEvent } from "./hearing.ts";
import { parkEvent, readParked } from "./inbox.ts";
import { createParking, type Parking } from "./parking.ts";
import { planRetry, splitBatch } from "./plan.ts";
import { ackWaitMs, deliveriesMax } from "./streams.ts";
import { aloneInProcess, clearSuspect, companyMax, countTryAlone, partsOf, triesAloneMax } from "./suspects.ts";

const batchMax = 256;
const databaseRetryMs = 250;
const conflictsMax = 5;
const keepAliveEveryMs = ackWaitMs * 0.3;
const reasonCharactersMax = 2_000;

/** Runs a batch when it is its turn. So many events wait for it. */
export type TakeBatchTurn = (work: () => Promise<void>, waiting: number) => Promise<void>;

export interface PartitionWorker {
  /** Takes deliveries in stream order. */
  accept(arrived: readonly (Delivery | Malformed)[]): void;
  /** True where this worker itself has asked for the message to be delivered again. */
  awaitsRetryOf(streamSequence: number): boolean;
  /** Works until the signal aborts, then hands back what was not handled. Throws LeaseLost. */
  work(signal: AbortSignal): Promise<void>;
}

interface FailingKey {
  /** The event that failed and will be delivered again. */
  streamSequence: number;
  /** Later events of the key, which wait for it. */
  waiting: Delivery[];
}

export async function createPartitionWorker<Tables>(options: {
  db: Kysely<Tables>;
  batches: BatchHandler;
  lease: Lease;
  partition: number;
  retryDelaysMs: readonly number[];
  takeTurn: TakeBatchTurn;
  log: Logger;
}): Promise<PartitionWorker> {
  const { db, batches, lease, partition, retryDelaysMs, takeTurn, log } = options;
  const parking = createParking(await readParked(db, partition));
  const arrivals = createWakeUp();
  const failing = new Map<string, FailingKey>();
  const attempts = new Map<number, number>();
  let queue: Delivery[] = [];
  let inHand: readonly Delivery[] = [];
  let stopped: AbortSignal | undefined;

  /**
   * Repeats work until the database answers. An outage is no fault of the event, so it costs no attempt; meanwhile the
   * server is told that the event is being worked on. Conflicts between transactions are repeated a few times.
   */
  const untilDatabaseAnswers = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    const pause = createWakeUp();
    for (let conflicts = 0, isAway = false; ;) {
      try {
        return await work();
      } catch (error) {
        if (isDatabaseConflict(error) && conflicts < conflictsMax) conflicts += 1;
        else if (!isDatabaseUnavailable(error) || stopped?.aborted) throw error;
        else {
          if (!isAway) log.warn({ error: (error as Error).message }, "consumer_waits_for_database");
          isAway = true;
          await pause.wait(databaseRetryMs, stopped);
        }
      }
    }
  };

  const park = async (delivery: Delivery, code: string, reason: string): Promise<void> => {
    const { event, orderKey, streamSequence, message } = delivery;
    const tried = attempts.get(streamSequence) ?? 0;
    // Parked before it ends: the other way round a crash would let the key's later events pass it.
    const why = { partition, code, message: storable(reason), attempts: tried };
    if (!(await untilDatabaseAnswers(() => parkEvent(db, lease, delivery, why)))) {
      succeed([delivery]);
      return;
    }
    parking.park({ eventId: event.id, orderKey, streamSequence });
    attempts.delete(streamSequence);
    endAsDeadLetter(message, code, reason);
    log.error(
      { event: event.id, key: event.key, hearing: delivery.hearing.name, code, reason, attempts: tried },
      "event_dead_lettered",
    );
    const behind = failing.get(orderKey);
    if (behind?.streamSequence !== streamSequence) return;
    failing.delete(orderKey);
    for (const later of behind.waiting) await park(later, "KEY_PARKED", `waits behind ${event.id}`);
  };

  const fail = async (delivery: Delivery, error: unknown): Promise<void> => {
    const { streamSequence, orderKey, message, event, hearing } = delivery;
    const attempt = (attempts.get(streamSequence) ?? 0) + 1;
    attempts.set(streamSequence, attempt);
    const plan = isLast(delivery, error) ? ({ kind: "give_up" } as const) : planRetry({ attempt, delaysMs: retryDelaysMs });
    const reason = error instanceof Error ? error.message : String(error);
    if (plan.kind === "give_up") {
      await park(delivery, error instanceof RefusedEvent ? error.code : "HANDLER_FAILED", reason);
      return;
    }
    log.warn({ event: event.id, key: event.key, hearing: hearing.name, attempt, delayMs: plan.delayMs, reason }, "event_retry");
    if (!failing.has(orderKey)) failing.set(orderKey, { streamSequence, waiting: [] });
    message.nak(plan.delayMs);
  };

  const succeed = (deliveries: readonly Delivery[]): void => {
    for (const delivery of deliveries) {
      const { streamSequence, orderKey, message, redriven, event } = delivery;
      crashPoint(delivery.hearing.name, "before_ack");
      // After the commit: a crash before this line delivers again, and the inbox row absorbs the repeat.
      message.ack();
      attempts.delete(streamSequence);
      if (redriven) parking.unpark(event.id, orderKey);
      const waited = failing.get(orderKey);
      if (waited?.streamSequence !== streamSequence) continue;
      failing.delete(orderKey);
      queue.unshift(...waited.waiting);
    }
  };

  /** Holds back what waits for an earlier event of its key; answers what may be handled now. */
  const admit = async (deliveries: readonly Delivery[]): Promise<Delivery[]> => {
    const admitted: Delivery[] = [];
    const isGoing = (eventId: string): boolean => admitted.some(({ event }) => event.id === eventId);
    for (const delivery of deliveries) {
      const failed = failing.get(delivery.orderKey);
      if (failed && failed.streamSequence !== delivery.streamSequence) failed.waiting.push(delivery);
      else if (await isFree(delivery, { parking, isGoing, park })) admitted.push(delivery);
    }
    return admitted;
  };

  /** Beside other partitions or alone; a part of what has failed goes alone. */
  const handle = async (deliveries: readonly Delivery[], how: "handle" | "handleAlone"): Promise<void> => {
    const admitted = await admit(deliveries);
    const [first] = admitted;
    if (!first) return;
    try {
      await untilDatabaseAnswers(() => batches[how](lease, admitted));
    } catch (error) {
      if (error instanceof LeaseLost || stopped?.aborted) throw error;
      if (admitted.length === 1) {
        await fail(first, error);
        return;
      }
      const [front, back] = splitBatch(admitted);
      await handle(front, "handleAlone");
      await handle(back, "handleAlone");
      return;
    }
    succeed(admitted);
  };

  const handleSuspect = async (delivery: Delivery): Promise<void> => {
    const eventId = delivery.event.id;
    const tries = await untilDatabaseAnswers(() => countTryAlone(db, eventId));
    if (tries <= triesAloneMax) await handle([delivery], "handleAlone");
    else await park(delivery, "PROCESS_DIED", `the process died ${triesAloneMax} times while it handled this event alone`);
    await untilDatabaseAnswers(() => clearSuspect(db, eventId));
  };

  /** A repeat that we have asked for ourselves is no suspect: we are alive. */
  const companyOf = ({ streamSequence, message }: Delivery): number =>
    attempts.has(streamSequence) ? batchMax : companyMax(message.info.deliveryCount);

  /** What has failed before, or is in small company for what it may do, takes no other partition with it. */
  const isHarmless = ({ streamSequence, message }: Delivery): boolean =>
    !attempts.has(streamSequence) && companyMax(message.info.deliveryCount) > batchMax;

  const handleInHand = async (): Promise<void> => {
    for (const part of partsOf(inHand, companyOf)) {
      const suspect = part.find((delivery) => companyOf(delivery) === 1);
      if (suspect) await aloneInProcess(() => handleSuspect(suspect));
      else await handle(part, part.every(isHarmless) ? "handle" : "handleAlone");
    }
  };

  return {
    accept: (arrived) => {
      for (const one of arrived) {
        if ("hearing" in one) queue.push(one);
        else {
          endAsDeadLetter(one.message, one.code, one.reason);
          log.error(
            { subject: one.message.subject, streamSequence: one.message.seq, code: one.code, reason: one.reason },
            "event_malformed",
          );
        }
      }
      arrivals.wake();
    },
    awaitsRetryOf: (streamSequence) => attempts.has(streamSequence),
    work: async (signal) => {
      stopped = signal;
      const keepAlive = setInterval(() => {
        for (const delivery of [...inHand, ...queue]) delivery.message.working();
        for (const { waiting } of failing.values()) for (const delivery of waiting) delivery.message.working();
      }, keepAliveEveryMs);
      try {
        while (!signal.aborted) {
          if (queue.length === 0) {
            await arrivals.wait(60_000, signal);
            continue;
          }
          await takeTurn(async () => {
            inHand = queue.slice(0, batchMax);
            queue = queue.slice(batchMax);
            await handleInHand();
            inHand = [];
          }, queue.length);
        }
      } catch (error) {
        // What the stop has interrupted is not a failure of the task.
        if (!signal.aborted) throw error;
      } finally {
        clearInterval(keepAlive);
        // Of what was in hand some may be done: its inbox row absorbs the repeat, and a second acknowledgement is ignored.
        const unhandled = [...inHand, ...queue, ...[...failing.values()].flatMap(({ waiting }) => waiting)];
        for (const delivery of unhandled) delivery.message.nak();
      }
    },
  };
}

async function isFree(
  delivery: Delivery,
  to: {
    parking: Parking;
    isGoing: (eventId: string) => boolean;
    park: (delivery: Delivery, code: string, reason: string) => Promise<void>;
  },
): Promise<boolean> {
  const { event, orderKey, redriven, discarded } = delivery;
  switch (to.parking.judge({ eventId: event.id, orderKey, redriven, discarded }, to.isGoing)) {
    case "free":
      return true;
    case "parked_already":
      endAsDeadLetter(delivery.message, "PARKED_ALREADY", "it is a dead letter already; its end did not arrive");
      return false;
    case "behind":
      await to.park(delivery, "KEY_PARKED", "an earlier event of this key is a dead letter");
      return false;
    case "too_early":
      endAsDeadLetter(delivery.message, "REDRIVE_TOO_EARLY", "an earlier event of this key must be redriven first");
      return false;
  }
}

/**
 * True where no repeat would help, or the server would not deliver it once more: it counts deliveries, also those to
 * instances that have died, and stops at its maximum without a word to the consumer.
 */
function isLast({ message }: Delivery, error: unknown): boolean {
  return error instanceof RefusedEvent || message.info.deliveryCount >= deliveriesMax;
}

/** Text that PostgreSQL can hold. */
function storable(text: string): string {
  return text.replaceAll("\0", "").slice(0, reasonCharactersMax);
}

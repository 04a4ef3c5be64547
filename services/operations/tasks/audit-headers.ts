// Messages of the stream in their order, without their payloads, many at a time.
import { AckPolicy, DeliverPolicy, ReplayPolicy, type JsMsg } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import type { Bus } from "#runtime/events/bus.ts";
import { eventStream } from "#runtime/events/streams.ts";
import { inTime } from "./in-time.ts";

export interface HeaderReading {
  /** The next messages, at most 1,000; waits a second where there is none. isEnd says that there was no more. Rejects where NATS is silent. */
  next(): Promise<{ messages: JsMsg[]; isEnd: boolean }>;
  /** False where a message may have been lost on the way, so that the reading must begin again. */
  isWhole(): boolean;
  close(): Promise<void>;
}

const batchMax = 1_000;
const expiresMs = 1_000;
/** The server forgets a reading that nobody goes on with. */
const unusedMs = 30_000;

export async function openHeaders({ js, manager }: Pick<Bus, "js" | "manager">, after: number): Promise<HeaderReading> {
  const { name } = await manager.consumers.add(eventStream, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: after + 1,
    replay_policy: ReplayPolicy.Instant,
    headers_only: true,
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: nanos(unusedMs),
  });
  const consumer = await js.consumers.get(eventStream, name);
  let delivered = 0;
  let isWhole = true;

  /** Nothing is acknowledged, so a message that is lost on the way does not come again: the count of deliveries shows it. */
  const take = (messages: JsMsg[], message: JsMsg): void => {
    if (message.info.deliverySequence !== delivered + 1) isWhole = false;
    delivered = message.info.deliverySequence;
    if (isWhole) messages.push(message);
  };

  const next = async (): ReturnType<HeaderReading["next"]> => {
    const messages: JsMsg[] = [];
    const first = await consumer.next({ expires: expiresMs });
    if (!first) {
      // Silence may be a quiet stream, or a reading that the server does not know any more.
      const { num_pending: pending } = await consumer.info();
      if (pending > 0) isWhole = false;
      return { messages, isEnd: pending === 0 };
    }
    take(messages, first);
    const wanted = Math.min(first.info.pending, batchMax - 1);
    let last = first;
    if (wanted > 0) {
      let received = 0;
      for await (const message of await consumer.fetch({ max_messages: wanted, expires: expiresMs })) {
        take(messages, message);
        last = message;
        received += 1;
        if (received === wanted) break;
      }
    }
    return { messages, isEnd: isWhole && last.info.pending === 0 };
  };

  return {
    next: () => inTime(next()),
    isWhole: () => isWhole,
    close: async () => {
      await manager.consumers.delete(eventStream, name).catch(() => undefined);
    },
  };
}

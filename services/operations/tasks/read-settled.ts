// Reads the headers of what a consumer has been given, up to a place in the stream, without touching that consumer.
import { AckPolicy, DeliverPolicy, ReplayPolicy } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import type { Bus } from "#runtime/events/bus.ts";
import { readHeaders, takeHeaders } from "#runtime/events/envelope.ts";
import { eventStream } from "#runtime/events/streams.ts";
import { inTime } from "./in-time.ts";

export interface SettledMessage {
  streamSequence: number;
  /** As it was sent; empty where there is none. */
  eventId: string;
  eventTime: Date;
}

export interface SettledReading {
  /** The next messages in order, at most 1,000. */
  next(): Promise<SettledMessage[]>;
  /** True once everything up to the floor was read. */
  isOver(): boolean;
  close(): Promise<void>;
}

const batchMax = 1_000;
const expiresMs = 1_000;
const unusedMs = 10_000;

export async function readSettled(
  { js, manager }: Bus,
  { subjects, after, floor }: { subjects: readonly string[]; after: number; floor: number },
): Promise<SettledReading> {
  const { name, num_pending: pending } = await manager.consumers.add(eventStream, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: after + 1,
    replay_policy: ReplayPolicy.Instant,
    filter_subjects: [...subjects],
    headers_only: true,
    mem_storage: true,
    inactive_threshold: nanos(unusedMs),
  });
  const consumer = await js.consumers.get(eventStream, name);
  let isOver = pending === 0;
  let left = pending;
  const next = async (): Promise<SettledMessage[]> => {
    const found: SettledMessage[] = [];
    if (isOver) return found;
    const wanted = Math.min(batchMax, left);
    const messages = await consumer.fetch({ max_messages: wanted, expires: expiresMs });
    let received = 0;
    for await (const message of messages) {
      received += 1;
      left = message.info.pending;
      if (message.seq > floor) {
        isOver = true;
        break;
      }
      const { id, time } = readHeaders(takeHeaders(() => message.headers).headers);
      found.push({ streamSequence: message.seq, eventId: id, eventTime: time });
      if (left === 0) isOver = true;
      if (received === wanted) break;
    }
    // Cut short by the network or by an expiry: what was not read must not be passed over.
    if (received === 0) throw new Error("the stream did not answer in time");
    return found;
  };
  return {
    next: () => inTime(next()),
    isOver: () => isOver,
    close: async () => {
      await manager.consumers.delete(eventStream, name).catch(() => undefined);
    },
  };
}

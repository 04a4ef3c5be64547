// Publishes events again, as a stranger may: under the plain subject, with the event's own id, and without what was said to the
// server alone: the message id by which it would have known them, and their place in a batch.
import { jetstreamManager, jetstream } from "@nats-io/jetstream";
import { headers, type NatsConnection } from "@nats-io/transport-node";
import { eventStream } from "#runtime/events/streams.ts";
import type { Random } from "./random.ts";

const partitionPrefix = /^p\.\d+\./;
/** Late events are repeated as well as new ones, but most repeats come soon. */
const recentMessages = 2_000;

export async function publishAgain(connection: NatsConnection, random: Random, count: number): Promise<number> {
  const manager = await jetstreamManager(connection);
  const { state } = await manager.streams.info(eventStream);
  const from = Math.max(state.first_seq, state.last_seq - recentMessages);
  let published = 0;
  for (let index = 0; index < count && state.last_seq > 0; index += 1) {
    const seq = random.between(from, state.last_seq);
    const message = await manager.streams.getMessage(eventStream, { seq });
    if (!message || !partitionPrefix.test(message.subject)) continue;
    const copied = headers();
    for (const [name, values] of message.header ?? []) {
      if (!/^nats-/i.test(name)) for (const value of values) copied.append(name, value);
    }
    await jetstream(connection).publish(message.subject.replace(partitionPrefix, ""), message.data, { headers: copied });
    published += 1;
  }
  return published;
}

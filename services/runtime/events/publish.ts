// Publishes rows of the outbox: many keys at once, the rows of one key one after the other.
import { errors } from "@nats-io/transport-node";
import { createAckedPublisher, PublishRefused } from "./acked-publish.ts";
import type { Bus } from "./bus.ts";
import { eventSubject } from "./contract.ts";
import { writeHeaders } from "./envelope.ts";
import type { Acknowledged, OutboxRow } from "./relay-store.ts";

const keysInFlightMax = 128;
const publishTimeoutMs = 2_000;
/** JetStream's error code for a message that is larger than its stream takes. */
const messageTooLarge = 10054;

/** NATS did not take it now; it may later. */
export class PublishFailed extends Error {}

export interface AsideEvent {
  row: OutboxRow;
  code: "PAYLOAD_TOO_LARGE" | "KEY_UNSENT";
  message: string;
}

export interface Published {
  /** What NATS will never take, and the later rows of its keys. */
  aside: AsideEvent[];
  /** The latest message that the stream has acknowledged. */
  acknowledged: Acknowledged | undefined;
}

/** Publishes all rows but those of the given keys, which are set aside. Throws PublishFailed. */
export type Publish = (rows: readonly OutboxRow[], keysAside: ReadonlySet<string>) => Promise<Published>;

export const keyNameOf = ({ tenant, key }: { tenant: string; key: string }): string => `${tenant}.${key}`;

export function createPublisher({ connection }: Pick<Bus, "connection">): Publish {
  const publisher = createAckedPublisher(connection, publishTimeoutMs);
  const publish = async (row: OutboxRow): Promise<Acknowledged> => {
    const { causeId, traceparent, ...event } = row;
    const subject = eventSubject(row.typeName, row.tenant, row.key);
    // A time-out means that the outcome is unknown: the repeat under the same Nats-Msg-Id is dropped by the server,
    // and where it is not, by every consumer's inbox.
    const headers = writeHeaders({ ...event, cause: { id: causeId, traceparent } });
    return { streamSequence: await publisher.publish(subject, row.payload, headers), eventId: row.id };
  };

  return async (rows, keysAside) => {
    const chains = chainsOf(rows);
    const result: Published = { aside: [], acknowledged: undefined };
    let next = 0;
    const sendChain = async (chain: readonly OutboxRow[]): Promise<void> => {
      let before = keysAside.has(keyNameOf(chain[0] as OutboxRow)) ? "an event" : undefined;
      // One at a time: the second of two could otherwise arrive first.
      for (const row of chain) {
        if (before !== undefined) {
          result.aside.push({ row, code: "KEY_UNSENT", message: `${before} of its key before it cannot be published` });
          continue;
        }
        try {
          const acknowledged = await publish(row);
          if (acknowledged.streamSequence > (result.acknowledged?.streamSequence ?? 0)) result.acknowledged = acknowledged;
        } catch (error) {
          if (!isTooLarge(error)) throw new PublishFailed((error as Error).message, { cause: error });
          result.aside.push({
            row,
            code: "PAYLOAD_TOO_LARGE",
            message: `its ${row.payload.byteLength} bytes are more than NATS takes`,
          });
          before = row.id;
        }
      }
    };
    const worker = async (): Promise<void> => {
      for (let chain = chains[next++]; chain; chain = chains[next++]) await sendChain(chain);
    };
    await Promise.all(Array.from({ length: Math.min(keysInFlightMax, chains.length) }, worker));
    return result;
  };
}

function isTooLarge(error: unknown): boolean {
  if (error instanceof PublishRefused) return error.code === messageTooLarge;
  return error instanceof errors.InvalidArgumentError && error.message.includes("max_payload");
}

/**
 * The rows of each key, in the order in which they were written. That is not always the order of their transactions: one
 * that began first may have waited for a row that the other had locked, and has then written after it.
 */
function chainsOf(rows: readonly OutboxRow[]): OutboxRow[][] {
  const byKey = Map.groupBy(rows, keyNameOf);
  return [...byKey.values()].map((chain) => chain.toSorted((one, other) => one.outboxId - other.outboxId));
}

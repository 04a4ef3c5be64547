// Publishes rows of the outbox: many together where there are many, else many keys at once and the rows of one key one after the
// other.
import { errors } from "@nats-io/transport-node";
import { createAckedPublisher, PublishRefused, type Message } from "./acked-publish.ts";
import type { Bus } from "./bus.ts";
import { eventSubject } from "./contract.ts";
import { writeHeaders } from "./envelope.ts";
import { keyNameOf, type Acknowledged, type OutboxRow } from "./relay-store.ts";

const keysInFlightMax = 128;
const publishTimeoutMs = 2_000;
const batchRowsMin = 16;
/** The server takes up to 1,000. */
const batchRowsMax = 500;
/** So that a batch is stored well within the time-out. */
const batchBytesMax = 1_000_000;
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

export function createPublisher({ connection, inboxPrefix }: Pick<Bus, "connection" | "inboxPrefix">): Publish {
  const publisher = createAckedPublisher(connection, { inboxPrefix, timeoutMs: publishTimeoutMs });

  const sendChain = async (chain: readonly OutboxRow[], to: Published): Promise<void> => {
    let before: string | undefined;
    // One at a time: the second of two could otherwise arrive first.
    for (const row of chain) {
      if (before !== undefined) {
        to.aside.push(unsentBehind(row, before));
        continue;
      }
      try {
        noteAcknowledged(to, row, await publisher.publish(messageOf(row)));
      } catch (error) {
        if (!isTooLarge(error)) throw failed(error);
        to.aside.push({
          row,
          code: "PAYLOAD_TOO_LARGE",
          message: `its ${row.payload.byteLength} bytes are more than NATS takes`,
        });
        before = row.id;
      }
    }
  };

  /** Many keys at once. */
  const sendOneByOne = async (chains: readonly OutboxRow[][], to: Published): Promise<void> => {
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let chain = chains[next++]; chain; chain = chains[next++]) await sendChain(chain, to);
    };
    await Promise.all(Array.from({ length: Math.min(keysInFlightMax, chains.length) }, worker));
  };

  const send = async (chains: readonly OutboxRow[][], to: Published): Promise<void> => {
    const rows = chains.flat();
    const last = rows.at(-1);
    if (!last || !isWorthABatch(rows)) return sendOneByOne(chains, to);
    try {
      noteAcknowledged(to, last, await publisher.publishTogether(rows.map(messageOf)));
    } catch (error) {
      // Refused as a whole, where one of them is too large or was published before: alone each gets its own answer.
      if (error instanceof PublishRefused || isTooLarge(error)) await sendOneByOne(chains, to);
      else throw failed(error);
    }
  };

  return async (rows, keysAside) => {
    const result: Published = { aside: [], acknowledged: undefined };
    const isAside = (row: OutboxRow): boolean => keysAside.has(keyNameOf(row));
    result.aside.push(...rows.filter(isAside).map((row) => unsentBehind(row, "an event")));
    const free = rows.filter((row) => !isAside(row));
    for (const chains of partsOf(chainsOf(free))) await send(chains, result);
    return result;
  };
}

function messageOf(row: OutboxRow): Message {
  const { causeId, traceparent, ...event } = row;
  // A time-out means that the outcome is unknown: the repeat under the same Nats-Msg-Id is dropped by the server,
  // and where it is not, by every consumer's inbox.
  const headers = writeHeaders({ ...event, cause: { id: causeId, traceparent } });
  return { subject: eventSubject(row.typeName, row.tenant, row.key), payload: row.payload, headers };
}

function noteAcknowledged(published: Published, row: OutboxRow, streamSequence: number): void {
  if (streamSequence <= (published.acknowledged?.streamSequence ?? 0)) return;
  published.acknowledged = { streamSequence, eventId: row.id };
}

const unsentBehind = (row: OutboxRow, what: string): AsideEvent => ({
  row,
  code: "KEY_UNSENT",
  message: `${what} of its key before it cannot be published`,
});

const failed = (error: unknown): PublishFailed => new PublishFailed((error as Error).message, { cause: error });

const bytesOf = (rows: readonly OutboxRow[]): number => rows.reduce((sum, { payload }) => sum + payload.byteLength, 0);

/** The server makes a folder for each batch, which takes as long as to store some 16 messages one by one. */
const isWorthABatch = (rows: readonly OutboxRow[]): boolean =>
  rows.length >= batchRowsMin && rows.length <= batchRowsMax && bytesOf(rows) <= batchBytesMax;

/** Chains, in parts that go together. A chain that is too large for any is a part of its own. */
function partsOf(chains: readonly OutboxRow[][]): OutboxRow[][][] {
  const parts: OutboxRow[][][] = [];
  let room = { rows: 0, bytes: 0 };
  for (const chain of chains) {
    const bytes = bytesOf(chain);
    if (chain.length > room.rows || bytes > room.bytes) {
      parts.push([]);
      room = { rows: batchRowsMax, bytes: batchBytesMax };
    }
    parts.at(-1)?.push(chain);
    room = { rows: room.rows - chain.length, bytes: room.bytes - bytes };
  }
  return parts;
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

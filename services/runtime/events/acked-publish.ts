// Publishes to a stream with many messages in flight: one subscription hears all acknowledgements, and one timer ends the
// waits. The client's own publish makes a request object, a timer and two errors for each message.
// What is sent and answered: https://docs.nats.io/nats-concepts/jetstream (a JSON PubAck on the reply subject).
import { createInbox, nuid, type Msg, type MsgHdrs, type NatsConnection } from "@nats-io/transport-node";

/** The stream has answered that it does not take the message. */
export class PublishRefused extends Error {
  /** JetStream's error code. */
  readonly code: number;

  constructor(code: number, description: string) {
    super(description);
    this.name = "PublishRefused";
    this.code = code;
  }
}

export interface Message {
  subject: string;
  payload: Uint8Array;
  headers: MsgHdrs;
}

export interface AckedPublisher {
  /**
   * Answers the message's sequence in the stream. Throws PublishRefused, what the connection throws, or an Error where
   * no answer came in time: whether the message is stored is then unknown.
   */
  publish(message: Message): Promise<number>;
  /**
   * Stores all messages in their order, or none; the server flushes them to disk once and not one by one. Answers the sequence
   * of the last and throws as publish does. The headers get what the server needs. It refuses a message that it knows already.
   * https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-50.md
   */
  publishTogether(messages: readonly Message[]): Promise<number>;
}

interface Waiting {
  untilMs: number;
  resolve(streamSequence: number): void;
  reject(error: Error): void;
}

const checkEveryMs = 250;

export function createAckedPublisher(
  connection: NatsConnection,
  { inboxPrefix, timeoutMs }: { inboxPrefix: string | undefined; timeoutMs: number },
): AckedPublisher {
  const inbox = createInbox(inboxPrefix);
  const waiting = new Map<string, Waiting>();
  let next = 0;
  let checking: NodeJS.Timeout | undefined;

  const settle = (reply: string, act: (one: Waiting) => void): void => {
    const one = waiting.get(reply);
    if (!one) return;
    waiting.delete(reply);
    act(one);
  };
  /** They wait in the order in which they were sent, so the first that has time left ends the look. */
  const endWaits = (): void => {
    const now = performance.now();
    for (const [reply, { untilMs }] of waiting) {
      if (untilMs > now) return;
      settle(reply, ({ reject }) => reject(new Error("the stream has not acknowledged in time")));
    }
    if (waiting.size > 0) return;
    clearInterval(checking);
    checking = undefined;
  };
  connection.subscribe(`${inbox}.*`, {
    callback: (error, message) => {
      if (error) return;
      settle(message.subject, ({ resolve, reject }) => {
        const answer = readAnswer(message);
        if (typeof answer === "number") resolve(answer);
        else reject(answer);
      });
    },
  });

  const publish = ({ subject, payload, headers }: Message): Promise<number> =>
    new Promise((resolve, reject) => {
      next += 1;
      const reply = `${inbox}.${next.toString(36)}`;
      connection.publish(subject, payload, { reply, headers });
      waiting.set(reply, { untilMs: performance.now() + timeoutMs, resolve, reject });
      checking ??= setInterval(endWaits, checkEveryMs);
    });

  return {
    publish,
    publishTogether: async (messages) => {
      const last = messages.at(-1);
      if (!last) throw new Error("no messages to publish");
      const batchId = nuid.next();
      messages.forEach(({ headers }, index) => {
        headers.append("Nats-Batch-Id", batchId);
        headers.append("Nats-Batch-Sequence", String(index + 1));
      });
      last.headers.append("Nats-Batch-Commit", "1");
      for (const { subject, payload, headers } of messages.slice(0, -1)) connection.publish(subject, payload, { headers });
      return publish(last);
    },
  };
}

interface PubAck {
  seq?: number;
  error?: { err_code?: number; description?: string };
}

function readAnswer(message: Msg): number | Error {
  // Nobody listens on the subject: no stream has it, or JetStream has no leader.
  if (message.data.byteLength === 0) return new Error(`no stream answers (${message.headers?.code ?? "empty"})`);
  try {
    const { seq, error } = message.json<PubAck>();
    if (error) return new PublishRefused(error.err_code ?? 0, error.description ?? "the stream refuses the message");
    return typeof seq === "number" && seq > 0 ? seq : new Error("the stream's answer has no sequence");
  } catch (error) {
    return new Error("the stream's answer cannot be read", { cause: error });
  }
}

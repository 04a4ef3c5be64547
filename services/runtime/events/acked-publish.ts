// Publishes to a stream with many messages in flight: one subscription hears all acknowledgements, and one timer ends the
// waits. The client's own publish makes a request object, a timer and two errors for each message.
// What is sent and answered: https://docs.nats.io/nats-concepts/jetstream (a JSON PubAck on the reply subject).
import { createInbox, type Msg, type MsgHdrs, type NatsConnection } from "@nats-io/transport-node";

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

export interface AckedPublisher {
  /**
   * Answers the message's sequence in the stream. Throws PublishRefused, what the connection throws, or an Error where
   * no answer came in time: whether the message is stored is then unknown.
   */
  publish(subject: string, payload: Uint8Array, headers: MsgHdrs): Promise<number>;
}

interface Waiting {
  untilMs: number;
  resolve(streamSequence: number): void;
  reject(error: Error): void;
}

const checkEveryMs = 250;

export function createAckedPublisher(connection: NatsConnection, timeoutMs: number): AckedPublisher {
  const inbox = createInbox();
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

  return {
    publish: (subject, payload, headers) =>
      new Promise((resolve, reject) => {
        next += 1;
        const reply = `${inbox}.${next.toString(36)}`;
        connection.publish(subject, payload, { reply, headers });
        waiting.set(reply, { untilMs: performance.now() + timeoutMs, resolve, reject });
        checking ??= setInterval(endWaits, checkEveryMs);
      }),
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

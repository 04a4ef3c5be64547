// Hears of revoked tokens. The events of the last minutes are read again at each start, so that a process that was away, or
// whose NATS was, misses none.
import { fromBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { DeliverPolicy, type JsMsg } from "@nats-io/jetstream";
import { setTimeout as sleep } from "node:timers/promises";
import { TokenRevokedSchema } from "#gen/ordermesh/identity/events/v1/identity_events_pb.ts";
import type { Bus } from "../events/bus.ts";
import { eventStream } from "../events/streams.ts";
import type { Logger } from "../log.ts";
import { tokenSecondsMax } from "./claims.ts";
import type { Revoked } from "./revoked.ts";

/** A revocation older than the longest token concerns none that is still good; the rest is for clocks that differ. */
const readBackMs = (tokenSecondsMax + 120) * 1_000;
/** As the stream has them. */
export const revocationSubjects = `p.*.${TokenRevokedSchema.typeName}.>`;
const tryAgainMs = 500;
const heartbeatMs = 1_000;

export interface Following {
  /** Resolves when everything that was in the stream at the start is known. */
  caughtUp: Promise<void>;
  /** Without waiting: while NATS is away a question to it lasts until its time is over. */
  stop(): void;
}

export function followRevocations({ bus, revoked, log }: { bus: Bus; revoked: Revoked; log: Logger }): Following {
  const ending = new AbortController();
  const { promise: caughtUp, resolve } = Promise.withResolvers<void>();
  const run = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      try {
        await follow(bus, revoked, { onCaughtUp: resolve, signal: ending.signal });
      } catch (error) {
        if (!ending.signal.aborted) log.warn({ error: (error as Error).message }, "revocations_not_heard");
      }
      await sleep(tryAgainMs, undefined, { signal: ending.signal }).catch(() => {});
    }
  };
  void run();
  return {
    caughtUp,
    stop: () => {
      ending.abort();
      resolve();
    },
  };
}

/** Ends when the consumer does: its stream was deleted, or the server forgot it. One that nobody reads the server forgets by itself. */
async function follow(
  bus: Bus,
  revoked: Revoked,
  { onCaughtUp, signal }: { onCaughtUp: () => void; signal: AbortSignal },
): Promise<void> {
  const consumer = await bus.js.consumers.get(eventStream, {
    // As one text: then it is part of the subject of the call, and a server can allow each process to read this and nothing else.
    filter_subjects: revocationSubjects,
    deliver_policy: DeliverPolicy.StartTime,
    opt_start_time: new Date(Date.now() - readBackMs).toISOString(),
  });
  const { num_pending: pending } = await consumer.info();
  if (pending === 0) onCaughtUp();
  const messages = await consumer.consume({ idle_heartbeat: heartbeatMs, abort_on_missing_resource: true });
  const stop = (): void => messages.stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const message of messages) {
      note(message, revoked);
      if (message.info.pending === 0) onCaughtUp();
    }
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** What is no revocation is a dead letter of nobody: whoever published it has revoked nothing. */
function note(message: JsMsg, revoked: Revoked): void {
  try {
    const { revokedId, expireTime, tenantId, issuedUntil } = fromBinary(TokenRevokedSchema, message.data);
    if (!expireTime) return;
    const endMs = timestampMs(expireTime);
    if (tenantId === "") revoked.add(revokedId, endMs);
    else if (issuedUntil) revoked.addTenant(tenantId, { issuedUntilMs: timestampMs(issuedUntil), endMs });
  } catch {
    // Bytes of a stranger.
  }
}

// Calls to a service elsewhere: in turn to its replicas, and again to another one where a repeat does no harm.
import type { DescMethod } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel as Idempotency } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { ExponentialBackoff, handleWhen, retry } from "cockatiel";
import { isBacklog } from "#runtime/backlog.ts";
import { unavailable } from "#runtime/errors.ts";
import { callTimeoutMs } from "./caller-context.ts";
import { deadlineExceeded } from "./deadline.ts";
import type { Replica } from "./replica.ts";

const retriesMax = 2;
const retryDelayMsMin = 20;
const retryDelayMsMax = 200;

/** Sends each call to the next replica whose breaker lets it; UNAVAILABLE at once where none does. Streams are not repeated. */
export function balancedTransport({ serviceName, replicas }: { serviceName: string; replicas: readonly Replica[] }): Transport {
  let turn = 0;
  /** A replica that has not been tried goes before one that has. */
  const choose = (tried?: ReadonlySet<Replica>): Replica => {
    turn += 1;
    const inTurn = replicas
      .map((_, offset) => replicas[(turn + offset) % replicas.length]!)
      .filter((replica) => replica.available());
    const chosen = inTurn.find((replica) => !tried?.has(replica)) ?? inTurn[0];
    if (!chosen) throw unavailable(serviceName);
    return chosen;
  };

  return {
    unary: async (method, signal, timeoutMs = callTimeoutMs, header, message, values) => {
      const deadlineMs = Date.now() + timeoutMs;
      const tried = new Set<Replica>();
      const attempt = () => {
        const leftMs = deadlineMs - Date.now();
        if (leftMs <= 0) throw deadlineExceeded();
        const { transport } = remember(tried, choose(tried));
        return transport.unary(method, signal, leftMs, header, message, values);
      };
      if (!isSafeToRepeat(method)) return attempt();
      const isWorthRepeating = (error: unknown): boolean =>
        error instanceof ConnectError &&
        error.code === Code.Unavailable &&
        !isBacklog(error) &&
        !signal?.aborted &&
        replicas.some((replica) => replica.available()) &&
        Date.now() + retryDelayMsMax < deadlineMs;
      const backoff = new ExponentialBackoff({ initialDelay: retryDelayMsMin, maxDelay: retryDelayMsMax });
      return retry(handleWhen(isWorthRepeating), { maxAttempts: retriesMax, backoff }).execute(attempt);
    },
    stream: async (...call) => choose().transport.stream(...call),
  };
}

function remember(tried: Set<Replica>, replica: Replica): Replica {
  tried.add(replica);
  return replica;
}

/** What the contract says: idempotency_level NO_SIDE_EFFECTS or IDEMPOTENT. */
function isSafeToRepeat({ idempotency }: DescMethod): boolean {
  return idempotency === Idempotency.NO_SIDE_EFFECTS || idempotency === Idempotency.IDEMPOTENT;
}

// One replica of a service elsewhere: its connection, and a breaker that spares it calls while it does not answer.
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createConnectTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { circuitBreaker, CircuitState, ConsecutiveBreaker, handleWhen } from "cockatiel";
import { isBacklog } from "#runtime/backlog.ts";
import { reasonOf, unavailable } from "#runtime/errors.ts";
import type { Logger } from "#runtime/log.ts";
import { clientTlsOptions } from "#runtime/tls/options.ts";
import type { TlsFiles } from "#runtime/tls/tls-files.ts";
import { deadlineExceeded } from "./deadline.ts";
import { withErrorsHeard } from "./heard-sessions.ts";
import { withErrors } from "./streams.ts";

/** Failures in a row that open the breaker. */
const failuresMax = 5;
/** How long an open breaker waits before it lets one call through. Milliseconds. */
const halfOpenAfterMs = 1_000;
/** A call that had at least this long and got no answer is the replica's failure and not its caller's haste. Milliseconds. */
const patientMs = 1_000;
/** A connection on which nothing comes back is found dead after both. Milliseconds. */
const pingIntervalMs = 10_000;
const pingTimeoutMs = 2_000;

export interface Replica {
  transport: Transport;
  /** Whether a call may be sent: not while its breaker is open, nor while one call tries whether it is back. */
  available: () => boolean;
  close: () => void;
}

export function connectReplica(options: {
  serviceName: string;
  /** An origin, http or https. */
  address: string;
  log: Logger;
  /** Without it https trusts the authorities of the system, and we show no certificate. */
  tls?: TlsFiles | undefined;
}): Replica {
  const { serviceName, address, log, tls } = options;
  const secure = tls && address.startsWith("https:") ? clientTlsOptions(tls, serviceName) : undefined;
  const sessions = new Http2SessionManager(address, { pingIntervalMs, pingTimeoutMs }, secure);
  // Uncompressed: between services the network is cheaper than the processor.
  const connected = createConnectTransport({
    baseUrl: address,
    httpVersion: "2",
    sessionManager: withErrorsHeard(sessions),
    acceptCompression: [],
  });
  const blamed = new WeakSet<ConnectError>();
  const breaker = circuitBreaker(
    handleWhen((error) => error instanceof ConnectError && blamed.has(error)),
    {
      halfOpenAfter: halfOpenAfterMs,
      breaker: new ConsecutiveBreaker(failuresMax),
    },
  );
  let openUntilMs = 0;
  breaker.onBreak((reason) => {
    openUntilMs = Date.now() + halfOpenAfterMs;
    log.warn(
      { service: serviceName, address, error: causeOf("error" in reason ? reason.error : undefined) },
      "rpc_breaker_opened",
    );
  });
  breaker.onReset(() => log.info({ service: serviceName, address }, "rpc_breaker_closed"));

  const guarded = <Result>(
    call: { signal: AbortSignal | undefined; timeoutMs: number | undefined },
    work: () => Promise<Result>,
  ) =>
    breaker.execute(async () => {
      try {
        return await work();
      } catch (error) {
        const answer = answerOf(error, { serviceName, signal: call.signal });
        const waitedInVain = answer.code === Code.DeadlineExceeded && (call.timeoutMs ?? 0) >= patientMs;
        const isAway = answer.code === Code.Unavailable && !isBacklog(answer);
        if (isAway || waitedInVain) blamed.add(answer);
        throw answer;
      }
    });

  return {
    transport: {
      unary: (method, signal, timeoutMs, header, message, values) =>
        guarded({ signal, timeoutMs }, () => connected.unary(method, signal, timeoutMs, header, message, values)),
      stream: async (method, signal, timeoutMs, header, messages, values) => {
        const work = () => connected.stream(method, signal, timeoutMs, header, messages, values);
        const response = await guarded({ signal, timeoutMs }, work);
        return { ...response, message: withErrors(response.message, (error) => answerOf(error, { serviceName, signal })) };
      },
    },
    available: () => {
      if (breaker.state === CircuitState.Open) return Date.now() >= openUntilMs;
      return breaker.state === CircuitState.Closed;
    },
    close: () => sessions.abort(),
  };
}

/** Such as a certificate that was not accepted, which the answer to the caller does not tell. */
function causeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  return error.cause instanceof Error ? error.cause.message : error.message;
}

// What the client library makes of a connection that is refused, reset or closed under a call.
const connectionCodes = new Set([Code.Unavailable, Code.Aborted, Code.Canceled, Code.Internal, Code.Unknown]);

/** The refusal as the service gave it; where it gave none, which its ErrorInfo would show, what that means to the caller. */
function answerOf(error: unknown, call: { serviceName: string; signal: AbortSignal | undefined }): ConnectError {
  const refusal = ConnectError.from(error);
  if (reasonOf(refusal) !== undefined || call.signal?.aborted) return refusal;
  if (refusal.code === Code.DeadlineExceeded) return deadlineExceeded();
  return connectionCodes.has(refusal.code) ? unavailable(call.serviceName, error) : refusal;
}

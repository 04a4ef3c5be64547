// The services behind a foreign contract: one address, called by gRPC or by Connect.
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import type { Logger } from "#runtime/log.ts";
import { withErrorsHeard } from "#runtime/rpc/heard-sessions.ts";
import { withErrors } from "#runtime/rpc/streams.ts";
import { httpVersionOf, type HttpVersion } from "./protocol.ts";
import type { Protocol } from "./options.ts";

export interface Upstream {
  transport: Transport;
  /** What it speaks; throws where it is away. */
  ask(): Promise<string>;
}

interface Known {
  transport: Transport;
  speaks: string;
}

/** An upstream that is away is no reason not to start: what it speaks is found out when it is first there. */
export function openUpstream({ url, protocol, log }: { url: URL; protocol: Protocol; log: Logger }): Upstream {
  let known: Promise<Known> | undefined;
  const find = async (): Promise<Known> => {
    if (protocol === "grpc") return connectBy(url, "gRPC", "2");
    const version = await httpVersionOf(url);
    return connectBy(url, protocol === "auto" && version === "2" ? "gRPC" : "Connect", version);
  };
  const found = (): Promise<Known> =>
    (known ??= find().catch((error: unknown) => {
      known = undefined;
      log.warn({ err: error, upstream: url.origin }, "upstream_away");
      throw new ConnectError("the upstream is away", Code.Unavailable, undefined, undefined, error);
    }));
  return {
    transport: withUnavailable({
      unary: async (...call) => (await found()).transport.unary(...call),
      stream: async (...call) => (await found()).transport.stream(...call),
    }),
    ask: async () => {
      await httpVersionOf(url);
      return (await found()).speaks;
    },
  };
}

/** A connection on which nothing comes back is found dead after both. Milliseconds. */
const pingIntervalMs = 10_000;
const pingTimeoutMs = 2_000;

function connectBy(url: URL, protocol: "gRPC" | "Connect", httpVersion: HttpVersion): Known {
  const baseUrl = url.href.replace(/\/$/, "");
  const speaks = `${protocol} over HTTP/${httpVersion}`;
  if (httpVersion === "1.1") return { transport: createConnectTransport({ baseUrl, httpVersion }), speaks };
  const sessionManager = withErrorsHeard(new Http2SessionManager(url.origin, { pingIntervalMs, pingTimeoutMs }));
  const transport =
    protocol === "gRPC"
      ? createGrpcTransport({ baseUrl, sessionManager })
      : createConnectTransport({ baseUrl, httpVersion, sessionManager });
  return { transport, speaks };
}

/**
 * A connection that breaks or cannot be made is UNAVAILABLE, whatever the transport takes it for: it says ABORTED of a reset,
 * CANCELLED of a farewell, and INTERNAL of a certificate that it does not trust.
 */
function withUnavailable(transport: Transport): Transport {
  return {
    unary: (...call) => transport.unary(...call).catch((error: unknown) => Promise.reject(asUnavailable(error, call[1]))),
    stream: async (...call) => {
      const response = await transport.stream(...call).catch((error: unknown) => Promise.reject(asUnavailable(error, call[1])));
      return { ...response, message: withErrors(response.message, (error) => asUnavailable(error, call[1])) };
    },
  };
}

function asUnavailable(reason: unknown, signal: AbortSignal | undefined): ConnectError {
  const error = ConnectError.from(reason);
  if (error.isWireError || signal?.aborted) return error;
  const { cause, code } = error;
  const isOfNode = cause instanceof Error && "code" in cause && typeof cause.code === "string";
  if (!isOfNode && code !== Code.Canceled && code !== Code.Aborted) return error;
  return new ConnectError(error.rawMessage, Code.Unavailable, undefined, undefined, error);
}

// One port for Connect, gRPC and gRPC-Web, over HTTP/1.1 and HTTP/2: by prior knowledge in cleartext, by ALPN under TLS.
import type * as http from "node:http";
import * as http2 from "node:http2";
import { Code, createContextValues, type ConnectRouter, type ContextValues } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import type { Admission } from "#runtime/admission/admission.ts";
import { StartupError } from "#runtime/backing/startup-error.ts";
import { refuse } from "#runtime/errors.ts";
import type { ConnectionBounds } from "#runtime/limits/connection-bounds.ts";
import type { Logger } from "#runtime/log.ts";
import type { Environment } from "#runtime/settings.ts";
import { peerOf } from "#runtime/tls/peer.ts";
import type { TlsFiles } from "#runtime/tls/tls-files.ts";
import { admitByPath, pathOf } from "./admit-calls.ts";
import { peerKey } from "./peer.ts";
import { doubledHeader } from "./doubled-headers.ts";
import { createDrain } from "./drain.ts";
import type { HttpHandler } from "./http-handler.ts";
import type { RouterOptions } from "./interceptors.ts";
import { createListeners, requestTimeoutMs } from "./listeners.ts";
import { withCors } from "./rpc-cors.ts";
import { cutSlowStream, type StreamTimes } from "./slow-streams.ts";
import { answerUnary } from "./unary-calls.ts";

const defaultTimes: StreamTimes = { bodyMs: requestTimeoutMs, stalledMs: 60_000 };
const takesOneMessage = new Set(["unary", "server_streaming"]);

export interface RpcServerOptions {
  routes: (router: ConnectRouter) => void;
  options: RouterOptions;
  host: string;
  /** 0 takes a free port. */
  port: number;
  log: Logger;
  /** Without it every call is let in. */
  admission?: Admission;
  /** For ORDERMESH_CORS_ORIGINS; without it no page of another origin may call. */
  env?: Environment;
  /** Answers what is no RPC, such as /readyz; without it 404. */
  fallback?: HttpHandler;
  /** Without it, or where it has no certificate, the port is cleartext. */
  tls?: TlsFiles | undefined;
  /** How many connections somebody may have open; without them any number. */
  bounds?: ConnectionBounds | undefined;
  /** Of HTTP/2, where a test does not want to wait. */
  times?: Partial<StreamTimes> & { idleMs?: number };
}

export interface RpcServer {
  port: number;
  /** Accepts no more, lets what is in flight finish, and ends after graceMs milliseconds what has not. */
  close(graceMs: number): Promise<void>;
}

/**
 * Starts to serve.
 *
 * @throws StartupError where the port cannot be had.
 */
export async function serveRpc(given: RpcServerOptions): Promise<RpcServer> {
  const { host, port, tls, log, bounds, times } = given;
  const shutdown = new AbortController();
  const answer = createHandler(given, shutdown.signal);
  const listeners = createListeners({ answer: withCors(answer, given.env ?? {}), tls, log, bounds, idleMs: times?.idleMs });
  const { http1 } = listeners;
  const drain = createDrain(listeners);
  await listen(http1, { host, port });
  let closed: Promise<void> | undefined;
  return {
    port: portOf(http1),
    close: (graceMs) => {
      const endStreams = (): void =>
        shutdown.abort(refuse(Code.Unavailable, "SHUTTING_DOWN", "the server is shutting down, try again"));
      closed ??= drain({ graceMs, endStreams });
      return closed;
    },
  };
}

/** Every call passes here: admission first, then Connect. */
function createHandler(
  { routes, options, log, fallback, admission, times }: RpcServerOptions,
  shutdown: AbortSignal,
): HttpHandler {
  let handlers: ConnectRouter["handlers"] = [];
  const answerRpc = connectNodeAdapter({
    ...options,
    routes: (router) => {
      routes(router);
      handlers = router.handlers;
    },
    shutdownSignal: shutdown,
    contextValues: contextOf,
    fallback: fallback ?? notFound,
  });
  const oneMessage = new Set(
    handlers.filter(({ method }) => takesOneMessage.has(method.methodKind)).map(({ requestPath }) => requestPath),
  );
  const unary = new Map(
    handlers.filter(({ method }) => method.methodKind === "unary").map((handler) => [handler.requestPath, handler]),
  );
  const slow = { ...defaultTimes, ...times };
  const answerFast: HttpHandler = (request, response) => {
    const handler = request.method === "POST" ? unary.get(request.url ?? "") : undefined;
    if (!handler || !(request instanceof http2.Http2ServerRequest)) {
      answerRpc(request, response);
      return;
    }
    const call = { request, response: response as http2.Http2ServerResponse, contextValues: contextOf(request) };
    answerUnary(handler, call, (error) => log.error({ err: error, method: handler.method.name }, "rpc_not_answered"));
  };
  const answer: HttpHandler = (request, response) => {
    if (request instanceof http2.Http2ServerRequest) cutSlowStream(request, oneMessage.has(pathOf(request.url)), slow);
    if (doubledHeader(request.rawHeaders) !== undefined) {
      response.writeHead(400);
      response.end();
      return;
    }
    try {
      answerFast(request, response);
    } catch (error) {
      // The adapter throws on a Host header that is missing or is no host; uncaught, that would end the process.
      log.debug({ err: error }, "http_request_malformed");
      response.writeHead(400);
      response.end();
    }
  };
  return admission ? admitByPath({ admission, answer, handlers, options }) : answer;
}

const contextOf = (request: Parameters<HttpHandler>[0]): ContextValues =>
  createContextValues().set(peerKey, peerOf(request.socket));

function portOf(server: http.Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server listens on no TCP port");
  return address.port;
}

const notFound: HttpHandler = (_request, response) => {
  response.writeHead(404);
  response.end();
};

function listen(server: http.Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(startupErrorOf(error, { host, port }));
    });
    server.listen({ host, port }, () => {
      server.removeAllListeners("error");
      resolve();
    });
  });
}

function startupErrorOf(error: NodeJS.ErrnoException, { host, port }: { host: string; port: number }): Error {
  if (error.code === "EADDRINUSE") {
    return new StartupError(
      `Port ${port} on ${host} is in use: end the program that holds it or set ORDERMESH_RPC_PORT to another port.`,
    );
  }
  if (error.code === "EACCES" || error.code === "EADDRNOTAVAIL" || error.code === "ENOTFOUND") {
    return new StartupError(
      `Port ${port} on ${host} cannot be opened (${error.code}): set ORDERMESH_RPC_PORT to a port that can.`,
    );
  }
  return error;
}

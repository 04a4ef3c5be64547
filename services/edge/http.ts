// The HTTP/1.1 server: bounds on what a connection may do, health, and an end that loses no answer.
import * as http from "node:http";
import * as https from "node:https";
import type { Duplex } from "node:stream";
import { StartupError } from "#runtime/backing/startup-error.ts";
import type { Cors } from "#runtime/cors.ts";
import { boundConnections, type ConnectionBounds } from "#runtime/limits/connection-bounds.ts";
import { serverTlsOptions } from "#runtime/tls/options.ts";
import type { TlsFiles } from "#runtime/tls/tls-files.ts";
import { mayAnswer, refuseConnection, refuseRequest, requestProblem } from "./refuse-connection.ts";
import { securityHeaders } from "./security-headers.ts";
import { boundBody } from "./transcode/body-clock.ts";

export interface Readiness {
  ready: boolean;
  checks: Record<string, string>;
}

export interface HttpLimits extends ConnectionBounds {
  headerBytesMax: number;
  headersMax: number;
  /** From the first byte of a request to the end of its headers. */
  headersMs: number;
  /** From the end of a request's headers to the end of its body, but for one that goes on to its call while it comes. */
  requestMs: number;
  /** Above the 60 seconds of common load balancers, which must be the ones that close. */
  keepAliveMs: number;
  /** How often the time of headers is looked at. */
  checkMs: number;
  readinessMs: number;
}

export const defaultHttpLimits: Omit<HttpLimits, keyof ConnectionBounds> = {
  headerBytesMax: 16_384,
  headersMax: 100,
  headersMs: 10_000,
  requestMs: 60_000,
  keepAliveMs: 65_000,
  checkMs: 2_000,
  readinessMs: 2_000,
};

export interface HttpServerOptions {
  handle: (request: http.IncomingMessage, response: http.ServerResponse) => Promise<void>;
  readiness: () => Promise<Readiness>;
  /** Runs when the server begins to close, to end what would never end by itself. */
  onClosing: () => void;
  errorDomain: string;
  port: number;
  host: string;
  limits: HttpLimits;
  cors: Cors;
  /** Without it, or where it has no certificate, the port is cleartext. */
  tls: TlsFiles | undefined;
}

export interface HttpServer {
  port: number;
  /** Takes no more connections, lets requests finish, and cuts what still runs after the grace. */
  close(graceMs: number): Promise<void>;
}

export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { limits } = options;
  let closing = false;
  const server = createServer(limits, options.tls);
  server.maxHeadersCount = limits.headersMax;
  boundConnections(server, limits);
  const headers = securityHeaders({ isSecure: options.tls?.settings.identity !== undefined });
  const refuse = (error: NodeJS.ErrnoException, socket: Duplex): void =>
    refuseConnection(error, socket, { domain: options.errorDomain, headers });
  const onRequest = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    if (!mayAnswer(request, response)) return;
    boundBody(request, limits.requestMs, () => refuse(new BodyLate(), request.socket));
    if (closing) response.setHeader("connection", "close");
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    options.cors(request, response);
    const problem = requestProblem(request);
    if (problem) return refuseRequest(problem, response, options.errorDomain);
    if (request.url === "/healthz" || request.url === "/readyz") {
      void answerHealth(request, response, closing, options);
    } else {
      // The handler answers whatever happens; should even that fail, this one connection pays, not the process.
      options.handle(request, response).catch(() => response.destroy());
    }
  };
  server.on("request", onRequest);
  // Without a listener Node would ask for the body of a request that we may be about to refuse.
  server.on("checkContinue", onRequest);
  // Node would answer by itself, without our headers.
  server.on("checkExpectation", onRequest);
  server.on("clientError", refuse);
  await listen(server, options);
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : options.port;

  return {
    port,
    async close(graceMs) {
      closing = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      options.onClosing();
      const idle = setInterval(() => server.closeIdleConnections(), 20);
      const cut = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearInterval(idle);
      clearTimeout(cut);
    },
  };
}

/** As Node calls it where it looks at the time itself. */
class BodyLate extends Error {
  readonly code = "ERR_HTTP_REQUEST_TIMEOUT";
}

function createServer(limits: HttpLimits, tls: TlsFiles | undefined): http.Server {
  const bounds = {
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersMs,
    // Bodies have clocks of their own: not all may take equally long.
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: limits.checkMs,
    // Whatever NODE_OPTIONS says: a lenient parser lets a request hide in another.
    insecureHTTPParser: false,
    // Refused here, in our words and with our headers.
    requireHostHeader: false,
  };
  if (!tls?.settings.identity) return http.createServer(bounds);
  const server = https.createServer({
    ...bounds,
    ...serverTlsOptions(tls),
    ALPNProtocols: ["http/1.1"],
    handshakeTimeout: limits.headersMs,
  });
  tls.onChange(({ files }) => server.setSecureContext(files));
  return server;
}

function listen(server: http.Server, { port, host }: { port: number; host: string }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        error.code === "EADDRINUSE" || error.code === "EACCES"
          ? new StartupError(
              `The REST edge cannot listen on ${host}:${port} (${error.code === "EACCES" ? "no permission" : "the port is in use"}); set ORDERMESH_EDGE_PORT (or --port) to a free port.`,
            )
          : error,
      );
    });
    server.listen({ port, host }, () => {
      server.removeAllListeners("error");
      resolve();
    });
  });
}

async function answerHealth(
  request: http.IncomingMessage,
  response: http.ServerResponse,
  closing: boolean,
  options: HttpServerOptions,
): Promise<void> {
  request.resume();
  const state: Readiness =
    request.url === "/healthz"
      ? { ready: true, checks: {} }
      : closing
        ? { ready: false, checks: { edge: "closing" } }
        : await checkReadiness(options);
  const body = request.url === "/healthz" ? { status: "ok" } : state;
  response.writeHead(state.ready ? 200 : 503, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(`${JSON.stringify(body)}\n`);
}

/** A check that hangs or throws is a check that failed. */
async function checkReadiness({ readiness, limits }: HttpServerOptions): Promise<Readiness> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Readiness>((resolve) => {
    timer = setTimeout(() => resolve({ ready: false, checks: { readiness: "no answer in time" } }), limits.readinessMs);
  });
  try {
    return await Promise.race([readiness(), late]);
  } catch {
    return { ready: false, checks: { readiness: "failed" } };
  } finally {
    clearTimeout(timer);
  }
}

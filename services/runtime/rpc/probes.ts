// A port of its own for probes: an orchestrator's HTTP check has no certificate, and mutual TLS refuses it in the handshake.
import * as http from "node:http";
import { StartupError } from "#runtime/backing/startup-error.ts";
import type { HttpHandler } from "./http-handler.ts";

const paths = new Set(["/healthz", "/readyz"]);
const limits = { headersTimeout: 5_000, requestTimeout: 5_000, connectionsCheckingInterval: 1_000 };
const connectionsMax = 100;

/**
 * Answers /healthz and /readyz in cleartext, and nothing else: neither calls nor metrics. Returns how to end it.
 *
 * @throws StartupError where the port cannot be had.
 */
export async function serveProbes(options: { host: string; port: number; answer: HttpHandler }): Promise<() => Promise<void>> {
  const { host, port, answer } = options;
  const server = http.createServer(limits, (request, response) => {
    if (paths.has(request.url ?? "") && (request.method === "GET" || request.method === "HEAD")) return answer(request, response);
    response.writeHead(404);
    response.end();
  });
  server.maxConnections = connectionsMax;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const remedy = "set ORDERMESH_PROBE_PORT to a free port";
      reject(
        new StartupError(`Port ${port} on ${host} cannot be opened for probes (${error.code ?? error.message}): ${remedy}.`),
      );
    });
    server.listen({ host, port }, resolve);
  });
  return async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  };
}

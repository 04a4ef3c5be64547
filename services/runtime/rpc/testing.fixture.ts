// What the tests of this folder serve: a catalogue whose answers are chosen by the product id.
import type { ConnectRouter, ServiceImpl } from "@connectrpc/connect";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { createLogger } from "#runtime/log.ts";
import { routerOptions } from "./interceptors.ts";
import { serveRpc, type HttpHandler, type RpcServer } from "./server.ts";
import { compileValidator } from "./validation.ts";

export const services = [CatalogService];

export const silentLog = createLogger({ level: "silent" });

/** A logger, and the lines that it has written. */
export function recordingLog() {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({ level: "debug", destination: { write: (line) => lines.push(JSON.parse(line)) } });
  return { log, lines };
}

export function testOptions(log = silentLog) {
  return routerOptions({ log, tenant: "demo", validator: compileValidator(services) });
}

export type Catalog = Partial<ServiceImpl<typeof CatalogService>>;

export function catalogRoutes(catalog: Catalog): (router: ConnectRouter) => void {
  return (router) => router.service(CatalogService, catalog);
}

export interface TestServer extends RpcServer {
  url: string;
}

export async function serveTest(given: {
  routes: (router: ConnectRouter) => void;
  log?: typeof silentLog;
  port?: number;
  fallback?: HttpHandler;
}): Promise<TestServer> {
  const { log = silentLog, port = 0, ...rest } = given;
  const server = await serveRpc({ ...rest, log, port, host: "127.0.0.1", options: testOptions(log) });
  return { ...server, url: `http://127.0.0.1:${server.port}` };
}

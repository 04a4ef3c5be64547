// What the tests of this folder serve: a catalogue whose answers are chosen by the product id.
import type { ConnectRouter, ServiceImpl } from "@connectrpc/connect";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { serviceCaller } from "#runtime/access/caller.ts";
import type { VerifyToken } from "#runtime/access/verify-token.ts";
import { createAdmission, type Admission, type AdmissionLimits } from "#runtime/admission/admission.ts";
import type { ConnectionBounds } from "#runtime/limits/connection-bounds.ts";
import { createLogger } from "#runtime/log.ts";
import { createMetrics } from "#runtime/metrics.ts";
import type { TlsFiles } from "#runtime/tls/tls-files.ts";
import type { GateRules } from "./call-context.ts";
import { routerOptions, type CallRules } from "./interceptors.ts";
import type { HttpHandler } from "./http-handler.ts";
import { serveRpc, type RpcServer, type RpcServerOptions } from "./server.ts";
import { compileValidator } from "./validation.ts";

export const services = [CatalogService];

export const silentLog = createLogger({ level: "silent" });

/** A logger, and the lines that it has written. */
export function recordingLog() {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({ level: "debug", destination: { write: (line) => lines.push(JSON.parse(line)) } });
  return { log, lines };
}

/** Takes whatever is shown for a service's. */
export const anyToken: VerifyToken = () => Promise.resolve(serviceCaller("demo"));

export function testOptions(log = silentLog, verify = anyToken, gate: Partial<GateRules & CallRules> = {}) {
  return routerOptions({ log, tenant: "demo", verify, validator: compileValidator(services), ...gate });
}

export type Catalog = Partial<ServiceImpl<typeof CatalogService>>;

export function catalogRoutes(catalog: Catalog): (router: ConnectRouter) => void {
  return (router) => router.service(CatalogService, catalog);
}

export interface TestServer extends RpcServer {
  url: string;
}

/** An admission that lets in so many calls, however long they take. */
export function testAdmission(calls: number, limits: Partial<AdmissionLimits> = {}): Admission {
  const fixed = { callsMin: calls, callsMax: calls, targetMs: 60_000, loopDelayMsMax: 60_000, waitingMax: 100 };
  return createAdmission({ limits: { ...fixed, ...limits }, metrics: createMetrics(), log: silentLog });
}

export async function serveTest(given: {
  routes: (router: ConnectRouter) => void;
  log?: typeof silentLog;
  port?: number;
  fallback?: HttpHandler;
  admission?: Admission;
  verify?: VerifyToken;
  gate?: Pick<GateRules & CallRules, "limits" | "originOf" | "follow" | "streams">;
  tls?: TlsFiles;
  bounds?: ConnectionBounds;
  times?: NonNullable<RpcServerOptions["times"]>;
}): Promise<TestServer> {
  const { log = silentLog, port = 0, verify, gate, ...rest } = given;
  const server = await serveRpc({ ...rest, log, port, host: "127.0.0.1", options: testOptions(log, verify, gate) });
  return { ...server, url: `${given.tls ? "https" : "http"}://127.0.0.1:${server.port}` };
}

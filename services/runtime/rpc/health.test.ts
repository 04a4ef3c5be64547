import { setImmediate } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { credentials, loadPackageDefinition, type ServiceClientConstructor } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Health as HealthService, HealthCheckResponse_ServingStatus as Status } from "#gen/grpc/health/v1/health_pb.ts";
import { createMetrics } from "#runtime/metrics.ts";
import { createHealth, type Health } from "./health.ts";
import { serveTest, silentLog, type TestServer } from "./testing.fixture.ts";

const catalog = "ordermesh.catalog.v1.CatalogService";
let problem: Error | undefined;
let health: Health;
let server: TestServer;

beforeEach(async () => {
  problem = undefined;
  const checks = {
    database: () => {
      if (problem) throw problem;
    },
    events: async () => setImmediate(),
  };
  health = createHealth({ services: [catalog], metrics: createMetrics(), checks, log: silentLog, intervalMs: 20 });
  server = await serveTest({ routes: health.routes, fallback: health.fallback });
});
afterEach(async () => {
  health.stop();
  await server.close(0);
});

const client = () => createClient(HealthService, createGrpcTransport({ baseUrl: server.url }));
const get = async (path: string) => {
  const response = await fetch(`${server.url}${path}`);
  return { status: response.status, body: await response.json() };
};

test("before the checks have run nothing is ready", () => {
  const fresh = createHealth({ services: [], metrics: createMetrics(), checks: { database: () => {} }, log: silentLog });
  expect(fresh.report()).toEqual({ ready: false, checks: { database: "not checked yet" } });
  fresh.stop();
});

test("the process and each of its services serve while all checks pass", async () => {
  expect(await get("/readyz")).toEqual({ status: 200, body: { ready: true, checks: { database: "ok", events: "ok" } } });
  const { statuses } = await client().list({});
  expect(statuses).toMatchObject({ "": { status: Status.SERVING }, [catalog]: { status: Status.SERVING } });
});

test("a check that fails makes all of it not ready, in our words, while the process lives", async () => {
  problem = Object.assign(new Error('password authentication failed for user "orders"'), { code: "28P01" });
  expect(await get("/readyz")).toEqual({ status: 503, body: { ready: false, checks: { database: "failing", events: "ok" } } });
  problem = Object.assign(new Error("connect ECONNREFUSED 10.0.0.1:5432"), { code: "ECONNREFUSED" });
  expect(await get("/readyz")).toMatchObject({ status: 503, body: { checks: { database: "unreachable" } } });
  expect(await get("/healthz")).toEqual({ status: 200, body: { status: "ok" } });
  expect(await client().check({ service: catalog })).toMatchObject({ status: Status.NOT_SERVING });
});

test("a check that hangs is cut after a second and not started again meanwhile", async () => {
  let runs = 0;
  const hanging = () => {
    runs += 1;
    return new Promise<void>(() => {});
  };
  const stuck = createHealth({
    services: [],
    metrics: createMetrics(),
    checks: { database: hanging },
    log: silentLog,
    intervalMs: 10,
  });
  expect(await stuck.refresh()).toEqual({ ready: false, checks: { database: "no answer within 1000 ms" } });
  await stuck.refresh();
  expect(runs).toBe(1);
  stuck.stop();
});

test("watching tells the state now and then each change", async () => {
  await health.refresh();
  const ending = new AbortController();
  const seen: Status[] = [];
  for await (const { status } of client().watch({ service: catalog }, { signal: ending.signal })) {
    seen.push(status);
    problem = seen.length === 1 ? new Error("away") : undefined;
    if (seen.length === 3) break;
  }
  ending.abort();
  expect(seen).toEqual([Status.SERVING, Status.NOT_SERVING, Status.SERVING]);
});

test("a service that is not here is refused by check, and unknown to watch", async () => {
  await expect(client().check({ service: "no.Such" })).rejects.toMatchObject({ code: 5 });
  for await (const { status } of client().watch({ service: "no.Such" })) {
    expect(status).toBe(Status.SERVICE_UNKNOWN);
    break;
  }
});

test("a process that drains is not ready, whatever its checks say", async () => {
  await health.refresh();
  health.drain();
  expect(health.report().ready).toBe(false);
  expect(await get("/readyz")).toMatchObject({ status: 503, body: { checks: { database: "ok" } } });
});

test("grpc-js, an independent client, agrees", async () => {
  await health.refresh();
  const definition = loadSync(
    new URL("../../../node_modules/grpc-health-check/proto/health/v1/health.proto", import.meta.url).pathname,
  );
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- proto-loader makes the classes while it runs
  const { grpc } = loadPackageDefinition(definition) as unknown as {
    grpc: { health: { v1: { Health: ServiceClientConstructor } } };
  };
  const independent = new grpc.health.v1.Health(`127.0.0.1:${server.port}`, credentials.createInsecure());
  const ask = (service: string) =>
    new Promise((resolve, reject) => {
      independent["check"]?.({ service }, (error: Error | null, answer: unknown) => (error ? reject(error) : resolve(answer)));
    });
  expect(await ask("")).toEqual({ status: Status.SERVING });
  await expect(ask("no.Such")).rejects.toMatchObject({ code: 5, details: 'no service "no.Such" here' });
  independent.close();
});

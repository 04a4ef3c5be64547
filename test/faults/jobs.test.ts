// Whoever runs a job dies with its work done and not committed: who comes next runs it, once.
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { testNats, type TestNats } from "../support/nats.ts";
import type { MeshProcess } from "../support/process.ts";
import { until } from "../support/until.ts";
import { ask, startDyingMesh } from "./dying-mesh.ts";

let database: TestDatabase;
let nats: TestNats;
let mesh: MeshProcess | undefined;

beforeAll(async () => {
  [database, nats] = await Promise.all([createTestDatabase(), testNats()]);
});
afterAll(async () => {
  await mesh?.end("SIGKILL");
  await nats.stop();
  await database.drop();
});

const start = (crashAt: string) => startDyingMesh({ databaseUrl: database.url, natsUrl: nats.url }, { crashAt });
const jobsPath = "/v1/services/inventory/jobs";

test("the report is written once, and the next is planned", async () => {
  mesh = await start("runtime.job:before_commit");
  const { child } = mesh;
  const died = once(child, "exit");
  // The answer may come, or die with the process.
  await ask(mesh, `${jobsPath}/inventory.report:run`, {}).catch(() => {});
  await died;
  mesh = await start("");
  const job = async () => (await ask<{ jobs: Record<string, string>[] }>(mesh, jobsPath)).jobs[0];
  await until(async () => (await job())?.["lastOutcome"] === "JOB_OUTCOME_DONE");
  const { reports } = await ask<{ reports: { skus: string; onHand: string; lowStock: object[] }[] }>(
    mesh,
    "/v1/inventory-reports",
  );
  expect(reports).toHaveLength(1);
  expect(Number(reports[0]?.skus)).toBeGreaterThan(5);
  expect(Number(reports[0]?.onHand)).toBeGreaterThan(100);
  expect((await job())?.["nextTime"]).toMatch(/T02:00:00Z$/);
}, 120_000);

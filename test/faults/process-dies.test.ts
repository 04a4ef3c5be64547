// An event on which the process dies each time it handles it.
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { testNats, type TestNats } from "../support/nats.ts";
import type { MeshProcess } from "../support/process.ts";
import { until } from "../support/until.ts";
import { ask, startDyingMesh } from "./dying-mesh.ts";

const startsMax = 10;
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

const start = (crashAt = ""): Promise<MeshProcess> =>
  startDyingMesh({ databaseUrl: database.url, natsUrl: nats.url }, { crashAt });
test("it becomes one dead letter after a few deaths, the process lives on, and a redrive finishes the order", async () => {
  mesh = await start("");
  const basket = { customerId: "ada", currency: "EUR", paymentToken: "tok_success", items: [{ sku: "MUG-BLUE", quantity: "1" }] };
  await mesh.end("SIGTERM");
  let orderId = "";
  let deaths = 0;
  for (let starts = 0; starts < startsMax; starts += 1) {
    // Armed at every start: whoever is about to commit what it decided about the order's stock dies.
    mesh = await start("inventory.settle:before_commit").catch(() => undefined);
    if (!mesh) {
      deaths += 1;
      continue;
    }
    if (orderId === "") orderId = (await ask<{ orderId: string }>(mesh, "/v1/orders", basket)).orderId;
    const { child } = mesh;
    const end = child.signalCode === null ? once(child, "exit").then(() => true) : Promise.resolve(true);
    const letters = until(async () => (await letterOf(orderId)) !== undefined, { timeoutMs: 20_000 }).then(() => false);
    if (!(await Promise.race([end, letters.catch(() => false)]))) break;
    deaths += 1;
  }
  expect(deaths).toBeGreaterThanOrEqual(3);
  expect(deaths).toBeLessThan(startsMax);
  expect(await letterOf(orderId)).toMatchObject({ code: "PROCESS_DIED", service: "inventory", state: "DEAD_LETTER_STATE_OPEN" });
  await mesh?.end("SIGTERM");
  mesh = await start("");
  const { letterId } = (await letterOf(orderId)) as { letterId: string };
  await ask(mesh, `/v1/dead-letters/${letterId}:redrive`, { reason: "the defect is mended" });
  await until(async () => (await ask<{ state: string }>(mesh, `/v1/orders/${orderId}`)).state === "ORDER_STATE_DELIVERED");
  await until(async () => (await letterOf(orderId))?.["state"] === "DEAD_LETTER_STATE_RESOLVED");
}, 180_000);

async function letterOf(key: string): Promise<Record<string, unknown> | undefined> {
  const { deadLetters = [] } = await ask<{ deadLetters?: Record<string, unknown>[] }>(mesh, `/v1/dead-letters?filter.key=${key}`);
  return deadLetters[0];
}

// Whoever begins an order that was to begin later dies before its commit, and who comes next right after it: it begins once.
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import pg from "pg";
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

interface Placed {
  orderId: string;
  state: string;
  timeline: { state: string }[];
}

test("it begins once, tells so once, and goes to the door", async () => {
  mesh = await start("orders.release:before_commit");
  const { orderId, state } = await ask<Placed>(mesh, "/v1/orders", {
    customerId: "ada",
    currency: "EUR",
    paymentToken: "tok_success",
    items: [{ sku: "MUG-BLUE", quantity: "1" }],
    processAfter: new Date(Date.now() + 1_500).toISOString(),
  });
  expect(state).toBe("ORDER_STATE_SCHEDULED");
  await dead(mesh);
  // It may die before it has said that it is ready.
  mesh = await start("orders.release:after_commit").catch(() => undefined);
  await dead(mesh);
  mesh = await start("");
  const read = () => ask<Placed>(mesh, `/v1/orders/${orderId}`);
  await until(async () => (await read()).state === "ORDER_STATE_DELIVERED");
  expect((await read()).timeline.map((entry) => entry.state)).toEqual(
    ["SCHEDULED", "PENDING", "PENDING_SHIPMENT", "SHIPPED", "DELIVERED"].map((name) => `ORDER_STATE_${name}`),
  );
  expect(await createdEvents(orderId)).toBe(1);
}, 120_000);

async function dead(process: MeshProcess | undefined): Promise<void> {
  if (process?.child.exitCode === null && process.child.signalCode === null) await once(process.child, "exit");
}

async function createdEvents(orderId: string): Promise<number> {
  const db = new pg.Client({ connectionString: database.url });
  await db.connect();
  try {
    const { rows } = await db.query<{ count: number }>(
      "select count(*)::integer as count from orders.outbox where key = $1 and type_name like '%.OrderCreated'",
      [orderId],
    );
    return rows[0]?.count ?? 0;
  } finally {
    await db.end();
  }
}

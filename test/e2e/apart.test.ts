// The services in processes of their own, as deploy/compose.yaml runs them, on one database and one NATS; orders and
// inventory twice, so that one of each can die.
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { testNats, type TestNats } from "../support/nats.ts";
import { freePorts } from "../support/ports.ts";
import { startMeshProcess, type MeshProcess } from "../support/process.ts";
import { eventually, until } from "../support/until.ts";

const names = ["identity", "catalog", "inventory", "inventory", "orders", "orders", "payments", "fraud", "shipping"];
/** Nobody makes it: all are given their servers, or need none. */
const noFolder = join(tmpdir(), `ordermesh-apart-${randomBytes(6).toString("hex")}`);

interface Replica {
  name: string;
  process: MeshProcess;
}

let database: TestDatabase;
let nats: TestNats;
let edge: MeshProcess;
const replicas: Replica[] = [];

beforeAll(async () => {
  const [ports] = await Promise.all([
    freePorts(names.length),
    createTestDatabase().then((created) => (database = created)),
    testNats().then((started) => (nats = started)),
  ]);
  const urlsOf = (name: string): string =>
    names.flatMap((other, index) => (other === name ? [`http://127.0.0.1:${ports[index]}`] : [])).join(",");
  const addresses = Object.fromEntries(names.map((name) => [`ORDERMESH_${name.toUpperCase()}_URL`, urlsOf(name)]));
  const shared = { ...addresses, ORDERMESH_DATA_DIR: noFolder, ORDERMESH_SEED: "none" };
  const env = {
    ...shared,
    DATABASE_URL: database.url,
    NATS_URL: nats.url,
    ORDERMESH_DATABASE_CONNECTIONS: "5",
    ORDERMESH_CARRIER_DISPATCH_MS: "50",
    ORDERMESH_CARRIER_DELIVER_MS: "50",
  };
  const start = async (name: string, index: number): Promise<void> => {
    const process = await startMeshProcess({ args: ["--only", name], env: { ...env, ORDERMESH_RPC_PORT: String(ports[index]) } });
    replicas.push({ name, process });
  };
  const startEdge = startMeshProcess({ args: ["--only", "edge"], env: shared }).then((started) => void (edge = started));
  // All at once: nobody may need another to start, nor be disturbed by a replica that does the same.
  await allStarted([startEdge, ...names.map(start)]);
}, 90_000);

/** Waits for all before it throws, so that whatever has started is known and can be ended. */
async function allStarted(starts: Promise<void>[]): Promise<void> {
  for (const started of await Promise.allSettled(starts)) if (started.status === "rejected") throw started.reason;
}

afterAll(async () => {
  await Promise.all([...replicas.map(({ process }) => process.end("SIGKILL")), edge?.end("SIGKILL")]);
  await nats?.stop();
  await database?.drop();
});

/** As a client does that wants its order: a repeat under the same key after an answer that says so. */
async function post(path: string, body: object, key: string): Promise<Record<string, unknown>> {
  for (let attempt = 1; ; attempt += 1) {
    const headers = { "content-type": "application/json", "idempotency-key": key };
    const answer = await edge.fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    const text = await answer.text();
    if (answer.ok) return JSON.parse(text) as Record<string, unknown>;
    if (answer.status !== 503 || attempt === 10) throw new Error(`${path} is answered with ${answer.status}: ${text}`);
    await sleep(200);
  }
}

async function get<Answer>(path: string): Promise<Answer> {
  const answer = await edge.fetch(path);
  const text = await answer.text();
  expect(answer.status, `${path}: ${text}`).toBe(200);
  return JSON.parse(text) as Answer;
}

interface Order {
  orderId: string;
  state: string;
  total: { minorUnits: string };
}

interface Payment {
  state: string;
  captured: { minorUnits: string };
}

const unitsAtFirst = 1_000;

async function createProduct(sku: string): Promise<void> {
  const variant = { sku, prices: [{ currencyCode: "EUR", minorUnits: "1000" }] };
  await post("/v1/products", { title: sku, variants: [{ variant, initialStock: String(unitsAtFirst) }] }, sku);
  await eventually(() => stockIs(sku, unitsAtFirst));
}

async function stockIs(sku: string, onHand: number): Promise<void> {
  const stock = await get(`/v1/stock/${sku}`);
  expect(stock).toMatchObject({ onHand: String(onHand), reserved: "0" });
}

async function place(sku: string, key: string): Promise<string> {
  // Each order by another buyer: screening looks twice at one who orders so often.
  const basket = { customerId: `buyer-${key}`, currency: "EUR", paymentToken: "tok_success", items: [{ sku, quantity: "1" }] };
  const { orderId } = await post("/v1/orders", basket, key);
  return String(orderId);
}

async function paidInFull(order: Order): Promise<void> {
  const payment = await get<Payment>(`/v1/orders/${order.orderId}/payment`);
  expect(payment).toMatchObject({ state: "PAYMENT_STATE_CAPTURED", captured: { minorUnits: order.total.minorUnits } });
}

test("each says that it is ready, by itself and for the edge", async () => {
  const urls = [edge.edgeUrl, edge.rpcUrl, ...replicas.map(({ process }) => process.rpcUrl)];
  for (const url of urls) expect((await fetch(`${url}/readyz`)).status, url).toBe(200);
});

test("none starts a server of its own, and the edge needs none", () => {
  expect(existsSync(noFolder)).toBe(false);
  expect(edge.output()).toMatch(/^ +PostgreSQL +none\n +NATS +none$/m);
});

test("an order goes from the edge to the door, and its watch tells each state", async () => {
  await createProduct("APART-1");
  const orderId = await place("APART-1", "apart-1");
  const lines = (await (await edge.fetch(`/v1/orders/${orderId}:watch`)).text()).split("\n").filter(Boolean);
  const states = lines.map((line) => (JSON.parse(line) as { entry: { state: string } }).entry.state.replace("ORDER_STATE_", ""));
  expect(states).toEqual(["PENDING", "PENDING_SHIPMENT", "SHIPPED", "DELIVERED"]);
  const order = await get<Order>(`/v1/orders/${orderId}`);
  await eventually(() => paidInFull(order));
  await eventually(() => stockIs("APART-1", unitsAtFirst - 1));
});

async function delivered(orderId: string): Promise<Order> {
  return until(async () => {
    const order = await get<Order>(`/v1/orders/${orderId}`);
    expect(order.state, orderId).toBe("ORDER_STATE_DELIVERED");
    return order;
  });
}

test("orders flow while a replica of orders and one of inventory die; none is lost, none is done twice", async () => {
  const [sku, count] = ["APART-2", 120];
  await createProduct(sku);
  const victims = ["orders", "inventory"].flatMap((name) => replicas.filter((replica) => replica.name === name).slice(0, 1));
  const placing: Promise<string>[] = [];
  for (let index = 0; index < count; index += 1) {
    if (index === count / 2) await Promise.all(victims.map(({ process }) => process.end("SIGKILL")));
    placing.push(place(sku, `apart-2-${index}`));
    await sleep(20);
  }
  const orderIds = await Promise.all(placing);
  expect(new Set(orderIds).size).toBe(count);
  const orders: Order[] = [];
  // One after the other: 120 that ask all the time would take the processors from those who deliver.
  for (const orderId of orderIds) orders.push(await delivered(orderId));
  await eventually(() => stockIs(sku, unitsAtFirst - count));
  for (const order of orders) await eventually(() => paidInFull(order));
}, 120_000);

test("SIGTERM ends each with exit code 0", async () => {
  const running = [edge, ...replicas.map(({ process }) => process)].filter(({ child }) => child.signalCode === null);
  expect(running.length).toBe(names.length + 1 - 2);
  expect(await Promise.all(running.map((process) => process.end("SIGTERM")))).toEqual(running.map(() => 0));
});

// A mesh that tells all it can, orders and mistakes full of secrets: none of them is in what it prints.
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "vitest";
import { afterAll, beforeAll, expect, test } from "vitest";
import { throwAwayIdentity } from "../../tools/operator.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import { testNats, type TestNats } from "../support/nats.ts";
import { failToStart, startMeshProcess, type MeshProcess } from "../support/process.ts";
import { eventually } from "../support/until.ts";

/** Each in another place, so that the one that is found tells where it came from. */
const secretIn = (place: string): string => `S3CR3T-${place}-${randomBytes(4).toString("hex")}`;
const bearer = secretIn("bearer");
const cookie = secretIn("cookie");
const key = secretIn("api-key");
const query = secretIn("query");
const card = secretIn("card");
const field = secretIn("field");
const natsPassword = secretIn("nats");
const mailPassword = secretIn("mail");
const databasePassword = decodeURIComponent(new URL(inject("databaseUrl")).password);

let database: TestDatabase;
let nats: TestNats;
let mesh: MeshProcess;
/** What opens the mesh is as much of a secret as what does not. */
let token: string;

beforeAll(async () => {
  [database, nats] = await Promise.all([createTestDatabase(), testNats()]);
  const natsUrl = new URL(nats.url);
  natsUrl.username = "orders";
  natsUrl.password = natsPassword;
  mesh = await startMeshProcess({
    env: {
      DATABASE_URL: database.url,
      NATS_URL: natsUrl.href,
      ORDERMESH_LOG_LEVEL: "debug",
      ORDERMESH_ALERT_MAILER: "smtp",
      ORDERMESH_ALERT_TO: "ada@example.org",
      ORDERMESH_ALERT_FROM: "shop@example.org",
      ORDERMESH_SMTP_URL: `smtp://shop:${mailPassword}@127.0.0.1:1`,
      ORDERMESH_ALERT_GROUP_SECONDS: "1",
      ORDERMESH_CARRIER_DISPATCH_MS: "50",
      ORDERMESH_CARRIER_DELIVER_MS: "50",
      // There is a catalogue to order from.
      ORDERMESH_SEED: "demo",
    },
  });
  token = await mesh.token();
});
afterAll(async () => {
  await mesh?.end("SIGKILL");
  await nats?.stop();
  await database?.drop();
});

async function send(url: string, body?: unknown, shown = token): Promise<{ status: number; body: Record<string, unknown> }> {
  const headers = {
    "content-type": "application/json",
    authorization: `Bearer ${shown}`,
    cookie: `session=${cookie}`,
    "x-api-key": key,
  };
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const answer = await fetch(url, { headers, ...(body === undefined ? {} : { method: "POST", body: text }) });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

const basket = (change: object = {}) => ({
  customerId: "ada",
  currency: "EUR",
  paymentToken: "tok_success",
  items: [{ sku: "MUG-BLUE", quantity: "1" }],
  ...change,
});

test("orders, errors and bad input print no secret", async () => {
  const orders = `${mesh.edgeUrl}/v1/orders`;
  const { body: placed } = await send(orders, basket());
  await eventually(async () =>
    expect((await send(`${orders}/${String(placed["orderId"])}`)).body["state"]).toBe("ORDER_STATE_DELIVERED"),
  );
  // Sent on, declined, not understood, not there, not JSON.
  expect((await send(orders, basket({ paymentToken: card }))).status).toBe(202);
  expect((await send(orders, basket({ password: field }))).status).toBe(400);
  expect((await send(`${orders}?access_token=${query}`)).status).toBe(400);
  expect((await send(`${mesh.edgeUrl}/nothing?token=${query}`)).status).toBe(404);
  expect((await send(orders, `{"password": "${field}", `)).status).toBe(400);
  expect((await send(orders, basket(), bearer)).status).toBe(401);
  const signIn = { client_id: "shop", login: "ada@example.test", password: field };
  expect((await send(`${mesh.edgeUrl}/auth/token`, signIn)).status).toBe(401);
  const rpc = `${mesh.rpcUrl}/ordermesh.orders.v1.OrdersService/PlaceOrder`;
  expect((await send(rpc, basket({ paymentToken: card, currency: field }))).status).toBe(400);
  expect((await send(`${rpc}?token=${query}`, `{"password": "${field}"`)).status).toBe(400);
  // The edge gives the token on, and the mesh has written of each call.
  await eventually(() =>
    expect(mesh.output()).toMatch(/"method":"ordermesh\.orders\.v1\.OrdersService\/PlaceOrder","code":"invalid_argument"/),
  );
  assertNoSecret(mesh.output());
});

test("servers that go away print no secret of their addresses", async () => {
  await nats.stop();
  await eventually(() => expect(mesh.output()).toContain("nats_disconnected"));
  await send(`${mesh.edgeUrl}/v1/orders`, basket({ paymentToken: card }));
  expect(await mesh.end("SIGTERM")).not.toBeNull();
  assertNoSecret(mesh.output());
});

test.each([
  ["a database that is not there", { DATABASE_URL: `postgres://me:${databasePassword}@127.0.0.1:1/orders` }],
  ["a NATS that is not there", { NATS_URL: `nats://me:${natsPassword}@127.0.0.1:1` }],
  ["addresses that are none", { ORDERMESH_ORDERS_URL: `http://me:${bearer}@one` }],
  ["a URL that is none", { DATABASE_URL: `postgres//me:${databasePassword}@db` }],
])("%s end the start without a secret", async (_what, env) => {
  const noFolder = join(tmpdir(), `ordermesh-secrets-${randomBytes(4).toString("hex")}`);
  const { exitCode, output } = await failToStart({
    args: ["--only", "catalog,inventory"],
    env: { DATABASE_URL: database.url, NATS_URL: "nats://127.0.0.1:1", ORDERMESH_DATA_DIR: noFolder, ...env },
  });
  expect(exitCode).toBe(1);
  assertNoSecret(output);
});

function assertNoSecret(output: string): void {
  expect(output.length).toBeGreaterThan(50);
  const operatorSecret = throwAwayIdentity.ORDERMESH_OPERATOR_SECRET;
  const secrets = [
    token,
    operatorSecret,
    throwAwayIdentity.ORDERMESH_SECRET,
    bearer,
    cookie,
    key,
    query,
    card,
    field,
    natsPassword,
    mailPassword,
    databasePassword,
  ];
  const found = output.split("\n").filter((line) => secrets.some((secret) => secret !== "" && line.includes(secret)));
  expect(found).toEqual([]);
}

import { createServer, type Socket } from "node:net";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "./free-port.ts";
import { startNats, type NatsServer } from "./nats.ts";
import { startPostgres, type PostgresServer } from "./postgres.ts";
import { redactUrl } from "./redact-url.ts";
import { verifyDatabase, verifyNats } from "./verify.ts";
import { natsConnectionOptions } from "./nats-url.ts";

let postgres: PostgresServer;
let nats: NatsServer;

beforeAll(async () => {
  [postgres, nats] = await Promise.all([startPostgres({ durable: false }), startNats({ syncAlways: false })]);
}, 120_000);

afterAll(async () => {
  await Promise.all([postgres.stop(), nats.stop()]);
});

test("servers that will do are told by version", async () => {
  expect(await verifyDatabase(postgres.url())).toBe(postgres.version);
  expect(await verifyNats(nats.url)).toBe(nats.version);
});

test("a closed port is named, without the password", async () => {
  const port = await freePort();
  await expect(verifyDatabase(`postgres://me:secret@127.0.0.1:${port}/orders`)).rejects.toThrow(
    `The database at postgres://127.0.0.1:${port}/orders does not answer ` +
      `(connect ECONNREFUSED 127.0.0.1:${port}): start it, or correct DATABASE_URL.`,
  );
  await expect(verifyNats(`nats://me:secret@127.0.0.1:${port}`)).rejects.toThrow(
    new RegExp(`^The NATS server at nats://127.0.0.1:${port} does not answer \\(.*\\): start it, or correct NATS_URL\\.$`),
  );
});

test("a refused password is told apart from a server that is down", async () => {
  const url = new URL(postgres.url());
  url.password = "guess";
  await expect(verifyDatabase(url.href)).rejects.toThrow("password authentication failed");
});

test.each([
  {
    product: "PostgreSQL 14.9 on x86_64",
    version: "14.9",
    want: "is PostgreSQL 14.9: point DATABASE_URL at version 15 or newer",
  },
  { product: "CockroachDB CCL v24", version: "13.0.0", want: "is not PostgreSQL" },
])("$product is refused", async ({ product, version, want }) => {
  const name = `posing_${version.replaceAll(".", "_")}`;
  const admin = new Client(postgres.url());
  await admin.connect();
  await admin.query(`create database ${name}`);
  // Functions of the public schema found before the server's own let a real server pose as another.
  await admin.query(`alter database ${name} set search_path = public, pg_catalog`);
  await admin.end();
  const posing = new Client(postgres.url(name));
  await posing.connect();
  await posing.query(`create function version() returns text return '${product}'`);
  await posing.query(`create function current_setting(text) returns text return '${version}'`);
  await posing.end();
  await expect(verifyDatabase(postgres.url(name))).rejects.toThrow(want);
});

async function listen(answer: (socket: Socket) => void): Promise<{ address: string; close: () => void }> {
  const server = createServer(answer);
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return { address: `127.0.0.1:${port}`, close: () => server.close() };
}

/** Greets as a NATS server does and answers every ping. */
const greetAsNats = (info: object) => (socket: Socket) => {
  socket.write(`INFO ${JSON.stringify({ server_id: "posing", max_payload: 1024, proto: 1, headers: true, ...info })}\r\n`);
  socket.on("data", (data) => data.toString().includes("PING") && socket.write("PONG\r\n"));
  socket.on("error", () => {});
};

test.each([
  { info: { version: "2.10.27", jetstream: true }, want: "is version 2.10.27: point NATS_URL at version 2.12.0 or newer" },
  { info: { version: "2.12.1", jetstream: false }, want: "offers no JetStream" },
])("a NATS server of $info is refused", async ({ info, want }) => {
  const { address, close } = await listen(greetAsNats(info));
  await expect(verifyNats(`nats://${address}`)).rejects.toThrow(want);
  close();
});

test("a server that accepts and stays silent is given up", async () => {
  const { address, close } = await listen(() => {});
  await Promise.all([
    expect(verifyDatabase(`postgres://${address}/orders`, { timeoutMs: 200 })).rejects.toThrow("does not answer"),
    expect(verifyNats(`nats://${address}`, { timeoutMs: 200 })).rejects.toThrow("does not answer"),
  ]);
  close();
});

test.each([
  { url: "postgres://me:secret@db:5432/orders?sslpassword=secret", want: "postgres://db:5432/orders" },
  { url: "nats://token@one:4222,nats://two:4222", want: "nats://one:4222,nats://two:4222" },
  { url: "one:4222", want: "nats://one:4222" },
  { url: "://secret", want: "(not a URL)" },
  { url: "postgres//me:secret@db", want: "(not a URL)" },
])("$url is shown as $want", ({ url, want }) => {
  expect(redactUrl(url)).toBe(want);
});

test.each([
  { url: "nats://one:4222,two:4223", want: { servers: ["one:4222", "two:4223"] } },
  {
    url: "nats://me:pass%20word@one:4222",
    want: { servers: ["one:4222"], user: "me", pass: "pass word", inboxPrefix: "_INBOX.me" },
  },
  { url: "tls://token@one", want: { servers: ["one"], token: "token", tls: {} } },
])("$url asks the client for $want", ({ url, want }) => {
  expect(natsConnectionOptions(url)).toEqual(want);
});

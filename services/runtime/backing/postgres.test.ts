import { spawn } from "node:child_process";
import { chmod, chown, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { postgresUser } from "./postgres-user.ts";
import { startPostgres } from "./postgres.ts";
import { StartupError } from "./startup-error.ts";

const options = { timeout: 30_000 };
let parent: string;
let dataFolder: string;

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "ordermesh-test-"));
  await chmod(parent, 0o755);
  dataFolder = join(parent, "data");
});

afterAll(() => rm(parent, { recursive: true, force: true }));

async function ask<Row extends object>(url: string, sql: string): Promise<Row[]> {
  const client = new Client(url);
  client.on("error", () => {});
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

test("rows survive stops and crashes, on the same port", options, async () => {
  const first = await startPostgres({ dataFolder, durable: true });
  await ask(first.url(), "create table kept as select 1 as number");
  await first.stop();

  const second = await startPostgres({ dataFolder, durable: true, port: first.port });
  expect(second.url()).toBe(first.url());
  await ask(second.url(), "insert into kept values (2)");
  await second.kill();

  const third = await startPostgres({ dataFolder, durable: true, port: first.port });
  expect(await ask(third.url(), "select number from kept order by number")).toEqual([{ number: 1 }, { number: 2 }]);
  await third.stop();
});

test.each([
  { durable: true, flushing: "on" },
  { durable: false, flushing: "off" },
])("with durable $durable the log is flushed: $flushing", options, async ({ durable, flushing }) => {
  const server = await startPostgres({ dataFolder, durable });
  const names = ["fsync", "synchronous_commit", "full_page_writes", "max_connections", "idle_in_transaction_session_timeout"];
  const settings = await Promise.all(
    names.map(async (name) => (await ask<Record<string, string>>(server.url(), `show ${name}`))[0]?.[name]),
  );
  expect(settings).toEqual([flushing, flushing, flushing, "400", "1min"]);
  await server.stop();
});

test("another password is refused", options, async () => {
  const server = await startPostgres({ dataFolder, durable: false });
  const url = new URL(server.url());
  url.password = "guess";
  await expect(ask(url.href, "select 1")).rejects.toThrow("password authentication failed");
  await server.stop();
});

test("a pid file whose pid another program has got since does not block", options, async () => {
  const other = spawn("sleep", ["60"], { stdio: "ignore", ...postgresUser });
  const pidFile = join(dataFolder, "postmaster.pid");
  await writeFile(pidFile, `${other.pid}\n${dataFolder}\n1\n5432\n\n127.0.0.1\n0 0\nready   \n`);
  if (postgresUser) await chown(pidFile, postgresUser.uid, postgresUser.gid);
  const server = await startPostgres({ dataFolder, durable: false });
  expect(await ask(server.url(), "select 1 as one")).toEqual([{ one: 1 }]);
  await server.stop();
  other.kill();
});

test("a data folder that was only half created is created anew", options, async () => {
  const folder = join(parent, "interrupted");
  await mkdir(`${folder}.draft`);
  await writeFile(join(`${folder}.draft`, "PG_VERSION"), "18\n");
  const server = await startPostgres({ dataFolder: folder, durable: false });
  expect(await ask(server.url(), "select 1 as one")).toEqual([{ one: 1 }]);
  await server.stop();
  expect((await readdir(parent)).filter((name) => name.includes("draft"))).toEqual([]);
});

test("data of another major version is refused in one sentence with the remedy", options, async () => {
  const folder = join(parent, "older");
  await mkdir(folder);
  await writeFile(join(folder, "PG_VERSION"), "16\n");
  if (postgresUser) await chown(join(folder, "PG_VERSION"), postgresUser.uid, postgresUser.gid);
  const start = startPostgres({ dataFolder: folder, durable: false });
  await expect(start).rejects.toThrow(StartupError);
  await expect(start).rejects.toThrow(
    /older was written by PostgreSQL 16 and 18\.\d+ cannot read it: move that folder away to start empty, or set DATABASE_URL/,
  );
});

test("a folder with other files in it is left as it is", options, async () => {
  const folder = join(parent, "holiday-photos");
  await mkdir(folder);
  await writeFile(join(folder, "beach.jpg"), "sand");
  await expect(startPostgres({ dataFolder: folder, durable: false })).rejects.toThrow("holds files that are no database");
  expect(await readdir(folder)).toEqual(["beach.jpg"]);
});

test.runIf(postgresUser)("as root, a folder that its user cannot enter is named", options, async () => {
  const closed = join(parent, "closed");
  await mkdir(closed, { mode: 0o700 });
  const start = startPostgres({ dataFolder: join(closed, "data"), durable: false });
  await expect(start).rejects.toThrow(`the user "nobody" cannot enter ${closed}: set ORDERMESH_DATA_DIR to a folder outside it`);
});

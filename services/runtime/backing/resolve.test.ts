import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "./free-port.ts";
import { accepts, startHolder } from "./holder.fixture.ts";
import { resolveBacking } from "./resolve.ts";
import { StartupError } from "./startup-error.ts";

const options = { timeout: 60_000 };
const embedded = { durable: false, allowContainers: false };
let parent: string;
let dataFolder: string;

beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "ordermesh-test-"));
  await chmod(parent, 0o755);
  dataFolder = join(parent, "deep", "data");
});

afterAll(() => rm(parent, { recursive: true, force: true }));

async function ask(url: string, sql: string): Promise<object[]> {
  const client = new Client(url);
  await client.connect();
  const { rows } = await client.query<object>(sql);
  await client.end();
  return rows;
}

test("both servers start, are described without credentials, keep the folder to themselves and stop", options, async () => {
  const backing = await resolveBacking({ ...embedded, dataFolder });
  await ask(backing.databaseUrl, "create table kept as select 1 as number");
  expect(backing.describe.database).toMatch(/^PostgreSQL 18\.\d+ on 127\.0\.0\.1:\d+, data in .*deep\/data$/);
  expect(backing.describe.nats).toMatch(/^NATS 2\.\d+\.\d+ on 127\.0\.0\.1:\d+, data in .*deep\/data$/);

  await expect(resolveBacking({ ...embedded, dataFolder })).rejects.toThrow(/^The data folder .* is in use by process \d+/);

  await backing.stop();
  await backing.stop();
  expect(await accepts(backing.databaseUrl)).toBe(false);
  expect(await accepts(backing.natsUrl)).toBe(false);
  expect((await readdir(dataFolder)).toSorted()).toEqual(["nats", "postgres"]);
});

test("after a kill -9 of its owner a folder can be used at once, and nothing is lost", options, async () => {
  const holder = await startHolder(dataFolder);
  await ask(holder.databaseUrl, "insert into kept values (2)");
  holder.signal("SIGKILL");
  await holder.ended;
  const backing = await resolveBacking({ ...embedded, dataFolder });
  expect(await ask(backing.databaseUrl, "select number from kept order by number")).toEqual([{ number: 1 }, { number: 2 }]);
  await backing.stop();
});

test("given servers are used and left alone", options, async () => {
  const own = await resolveBacking(embedded);
  const backing = await resolveBacking({
    ...embedded,
    databaseUrl: own.databaseUrl,
    natsUrl: own.natsUrl,
    dataFolder: join(parent, "unused"),
  });
  expect(backing).toMatchObject({ databaseUrl: own.databaseUrl, natsUrl: own.natsUrl });
  expect(backing.describe.database).not.toContain(new URL(own.databaseUrl).password);
  await backing.stop();
  expect(await accepts(own.databaseUrl)).toBe(true);
  expect(await accepts(own.natsUrl)).toBe(true);
  expect(await readdir(parent)).not.toContain("unused");
  await own.stop();
});

test("when one server cannot be had the other is stopped and the folder released", options, async () => {
  const natsUrl = `nats://127.0.0.1:${await freePort()}`;
  const start = resolveBacking({ ...embedded, natsUrl, dataFolder });
  await expect(start).rejects.toThrow(StartupError);
  await expect(start).rejects.toThrow("does not answer");
  await (await resolveBacking({ ...embedded, dataFolder })).stop();
});

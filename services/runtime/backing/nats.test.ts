import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startNats } from "./nats.ts";
import { StartupError } from "./startup-error.ts";

// The first start on a machine may have to fetch the server.
const options = { timeout: 120_000 };
let storeFolder: string;

beforeAll(async () => {
  storeFolder = await mkdtemp(join(tmpdir(), "ordermesh-test-"));
});

afterAll(() => rm(storeFolder, { recursive: true, force: true }));

async function publish(url: string, text: string): Promise<number> {
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: "KEPT", subjects: ["kept"] });
  const { seq } = await jetstream(connection).publish("kept", text);
  await connection.close();
  return seq;
}

test("messages survive stops and crashes, on the same port", options, async () => {
  const first = await startNats({ storeFolder });
  expect(await publish(first.url, "one")).toBe(1);
  await first.stop();

  const second = await startNats({ storeFolder, port: first.port });
  expect(second.url).toBe(first.url);
  expect(await publish(second.url, "two")).toBe(2);
  await second.kill();

  const third = await startNats({ storeFolder, port: first.port });
  expect(await publish(third.url, "three")).toBe(3);
  await third.stop();
});

test.each([
  { syncAlways: undefined, want: true },
  { syncAlways: true, want: true },
  { syncAlways: false, want: false },
])("flushing before each acknowledgement, asked $syncAlways: $want", options, async ({ syncAlways, want }) => {
  const server = await startNats({ storeFolder, syncAlways });
  await server.stop();
  expect((await readFile(join(storeFolder, "server.conf"), "utf8")).includes('"sync_interval": "always"')).toBe(want);
});

test("a taken port is an error that carries the server's own words", options, async () => {
  const server = await startNats();
  const second = startNats({ port: server.port });
  await expect(second).rejects.toThrow(StartupError);
  await expect(second).rejects.toThrow("address already in use");
  await server.stop();
});

// A server that comes back without messages that it had acknowledged, as after a power failure.
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { jetstreamManager } from "@nats-io/jetstream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startNats, type NatsServer } from "#runtime/backing/nats.ts";
import { durableName, eventStream } from "#runtime/events/streams.ts";
import { probeWorld, type Probe, type ProbeWorld } from "../delivery/probe.ts";
import { eventually, until } from "../support/until.ts";

const keys = Array.from({ length: 6 }, (_, index) => `key${index}`);
const consumersFolder = join("jetstream", "$G", "streams", eventStream, "obs");

let folder: string;
let server: NatsServer;
let world: ProbeWorld;
let probe: Probe;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ordermesh-power-"));
  server = await startNats({ storeFolder: join(folder, "now"), syncAlways: false });
  world = await probeWorld({ url: server.url, stop: () => server.stop() });
  probe = await world.start();
});

afterEach(async () => {
  await world.close();
  await rm(folder, { recursive: true, force: true });
});

const restart = async (): Promise<void> => {
  server = await startNats({ storeFolder: join(folder, "now"), port: server.port, syncAlways: false });
};

/** Remembers what is on the disk at this moment. */
async function takeCopy(): Promise<void> {
  await server.stop();
  await cp(join(folder, "now"), join(folder, "then"), { recursive: true });
  await restart();
}

/** The server crashes, and comes back with what was on the disk when the copy was taken. */
async function losePower({ consumersSurvive }: { consumersSurvive: boolean }): Promise<void> {
  // Where the consumers' places are to survive, the server ends in order, which writes them down.
  await (consumersSurvive ? server.stop() : server.kill());
  if (consumersSurvive) {
    await rm(join(folder, "then", consumersFolder), { recursive: true });
    await cp(join(folder, "now", consumersFolder), join(folder, "then", consumersFolder), { recursive: true });
  }
  await rm(join(folder, "now"), { recursive: true });
  await cp(join(folder, "then"), join(folder, "now"), { recursive: true });
  await restart();
}

/** Sends events and waits until they have their effects; answers their ids. */
async function sendAndSee(labels: readonly string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const label of labels) ids.push(...(await probe.send(...keys.map((key) => ({ key, label })))));
  await eventually(async () => expect((await effectsOf(ids)).length).toBe(ids.length), { timeoutMs: 30_000 });
  return ids;
}

async function effectsOf(ids: readonly string[]): Promise<string[]> {
  const wanted = new Set(ids);
  return (await probe.effects()).map(({ eventId }) => eventId).filter((id) => wanted.has(id));
}

/** Where the stream ends, and where its consumers are in it. */
async function places(): Promise<{ last: number; delivered: number[] }> {
  const { streams, consumers } = await jetstreamManager(world.connection, { timeout: 1_000 });
  const { state } = await streams.info(eventStream);
  const delivered = await Promise.all(
    [0, 1, 2].map(async (partition) => (await consumers.info(eventStream, durableName("probe", partition))).delivered.stream_seq),
  );
  return { last: state.last_seq, delivered };
}

const storedIds = async (): Promise<Set<string>> =>
  new Set((await world.stored()).map((message) => message.headers?.get("ce-id") ?? ""));

const losses = [
  { lost: "messages and the consumers' places", consumersSurvive: false },
  { lost: "messages alone, so that consumers are ahead of the stream", consumersSurvive: true },
];

test.each(losses)(
  "fault 22: $lost are lost: all are published again, have one effect, and later ones flow in order",
  async (given) => {
    const before = await sendAndSee(["1", "2", "3"]);
    await takeCopy();
    const acknowledged = await sendAndSee(["4", "5", "6"]);
    await losePower(given);
    const after = await sendAndSee(["7", "8", "9"]);
    const all = [...before, ...acknowledged, ...after];
    await eventually(async () => expect(new Set(all).difference(await storedIds()).size).toBe(0), { timeoutMs: 60_000 });
    const effects = await probe.effects();
    expect(effects.length).toBe(all.length);
    for (const key of keys) {
      const labels = effects.filter((effect) => effect.key === key).map(({ label }) => label);
      expect(labels).toEqual(["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    }
  },
);

test.each(losses)("after $lost are lost no consumer is beyond the end of the stream", async (given) => {
  await sendAndSee(["1", "2"]);
  await takeCopy();
  await sendAndSee(["3", "4"]);
  // Nobody publishes anything again, so that the server's own answer is seen.
  await probe.host.close();
  await losePower(given);
  const { last, delivered } = await until(places, { timeoutMs: 30_000 });
  expect(last).toBe(2 * keys.length);
  expect(Math.max(...delivered)).toBeLessThanOrEqual(last);
});

// Streams and consumers on the server are what the code declares, or the start is refused with words.
import { AckPolicy, jetstreamManager, StorageType, type JetStreamManager } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StartupError } from "#runtime/backing/startup-error.ts";
import { eventually } from "../support/until.ts";
import { probeWorld, type Probe, type ProbeWorld } from "./probe.ts";

let world: ProbeWorld;
let manager: JetStreamManager;

beforeEach(async () => {
  world = await probeWorld();
  manager = await jetstreamManager(world.connection);
});

afterEach(() => world.close());

const labels = async (probe: Probe): Promise<string[]> => (await probe.effects()).map(({ label }) => label);

test("a consumer and a stream that were changed by hand are what the code declares after the next start", async () => {
  const first = await world.start();
  await first.host.close();
  await manager.consumers.update("EVENTS", "probe_p0", { ack_wait: nanos(90_000), max_deliver: 3, max_ack_pending: 7 });
  await manager.streams.update("EVENTS", { max_age: nanos(600_000) });
  await world.start();
  const { config } = await manager.consumers.info("EVENTS", "probe_p0");
  expect(config).toMatchObject({ ack_wait: nanos(5_000), max_deliver: 50, max_ack_pending: 512 });
  expect((await manager.streams.info("EVENTS")).config.max_age).toBe(nanos(7 * 86_400_000));
});

test("a consumer that cannot become what is declared refuses the start and says what differs", async () => {
  const first = await world.start();
  await first.host.close();
  await manager.consumers.delete("EVENTS", "probe_p1");
  await manager.consumers.add("EVENTS", { durable_name: "probe_p1", ack_policy: AckPolicy.None });
  const refused = world.start();
  await expect(refused).rejects.toThrow(StartupError);
  await expect(refused).rejects.toThrow(/Consumer probe_p1 cannot be what this version declares: .*ack_policy: is "none"/);
});

test("a stream whose storage is another refuses the start and says what differs", async () => {
  await manager.streams.add({
    name: "ADVISORIES",
    subjects: ["$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>"],
    storage: StorageType.Memory,
  });
  await expect(world.start()).rejects.toThrow(/Stream ADVISORIES cannot be .*storage: is "memory", declared "file"/);
});

test("a consumer that is deleted while events flow is made again, and each event has its effect once", async () => {
  const probe = await world.start();
  await probe.send({ key: "a", label: "before" });
  await eventually(async () => expect(await labels(probe)).toEqual(["before"]));
  for (const partition of [0, 1, 2]) await manager.consumers.delete("EVENTS", `probe_p${partition}`);
  await probe.send({ key: "a", label: "after" });
  await eventually(async () => expect(await labels(probe)).toEqual(["before", "after"]), { timeoutMs: 30_000 });
});

test("a stream that is deleted while events flow is made again, and gets what it had acknowledged", async () => {
  const probe = await world.start();
  await probe.send({ key: "a", label: "before" });
  await eventually(async () => expect(await labels(probe)).toEqual(["before"]));
  await manager.streams.delete("EVENTS");
  await probe.send({ key: "a", label: "after" });
  await eventually(async () => expect(await labels(probe)).toEqual(["before", "after"]), { timeoutMs: 30_000 });
  await eventually(async () => expect((await world.stored()).length).toBe(2));
});

import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { failingNats } from "../support/nats.ts";
import { eventually, until } from "../support/until.ts";
import { labelsOf, probeWorld } from "./probe.ts";

test("fault 21: while NATS is away transactions commit, and their events flow once it is back", async () => {
  const nats = await failingNats();
  const world = await probeWorld(nats);
  const probe = await world.start();
  await probe.send({ key: "a", label: "before" });
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["before"]));
  await nats.pause();
  await probe.send({ key: "a", label: "during" });
  expect((await probe.host.health.refresh()).checks["nats"]).not.toBe("ok");
  // An event that cannot be published is no sign of too much work: nobody is sent away for it.
  await eventually(() => expect(probe.runtime.backlogMs()).toBeGreaterThan(0));
  await eventually(() => expect(probe.runtime.backlogMs()).toBe(0));
  await sleep(1_000);
  expect(probe.runtime.backlogMs()).toBe(0);
  expect(await labelsOf(probe, "a")).toEqual(["before"]);
  await nats.resume();
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["before", "during"]), { timeoutMs: 20_000 });
  await eventually(async () => expect((await probe.host.health.refresh()).ready).toBe(true));
  await world.close();
});

test("an instance stops while NATS is away, and what it could not publish stays for its successor", async () => {
  const nats = await failingNats();
  const world = await probeWorld(nats);
  try {
    const probe = await world.start();
    await nats.pause();
    await probe.send({ key: "a", label: "kept" });
    const sentMs = performance.now();
    // A publish without an answer is given up after two seconds: by then the relay looks what is wrong.
    await until(() => performance.now() - sentMs > 4_000);
    const stoppedMs = performance.now();
    await probe.host.close();
    expect(performance.now() - stoppedMs).toBeLessThan(10_000);
    await nats.resume();
    const successor = await world.start();
    await eventually(async () => expect((await successor.effects()).map(({ label }) => label)).toEqual(["kept"]));
  } finally {
    await world.close();
  }
});

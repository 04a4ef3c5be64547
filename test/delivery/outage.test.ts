import { expect, test } from "vitest";
import { failingNats } from "../support/nats.ts";
import { eventually } from "../support/until.ts";
import { probeWorld, type Probe } from "./probe.ts";

const labelsOf = async (probe: Probe, key: string): Promise<string[]> =>
  (await probe.effects()).filter((effect) => effect.key === key).map((effect) => effect.label);

test("while NATS is away transactions commit, and their events flow once it is back", async () => {
  const nats = await failingNats();
  const world = await probeWorld(nats);
  const probe = await world.start();
  await probe.send({ key: "a", label: "before" });
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["before"]));
  await nats.pause();
  await probe.send({ key: "a", label: "during" });
  expect((await probe.host.health.refresh()).checks["nats"]).not.toBe("ok");
  await nats.resume();
  await eventually(async () => expect(await labelsOf(probe, "a")).toEqual(["before", "during"]), { timeoutMs: 20_000 });
  await eventually(async () => expect((await probe.host.health.refresh()).ready).toBe(true));
  await world.close();
});

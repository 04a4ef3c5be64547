import { afterEach, beforeEach, expect, test } from "vitest";
import { DeadLetterState } from "#gen/ordermesh/operations/v1/dead_letter_pb.ts";
import { until } from "../support/until.ts";
import { by, lettersIn, lettersWorld, type LettersWorld } from "./letters-world.ts";

const { OPEN, RESOLVED } = DeadLetterState;

let world: LettersWorld;

beforeEach(async () => {
  world = await lettersWorld();
});

afterEach(() => world.close());

test("a redrive of many letters goes on where it was when operations starts anew, each with one effect", async () => {
  let broken = true;
  const probe = await world.start(
    (label) => {
      if (label === "poison" && broken) throw new Error("cannot be done");
    },
    { retryDelaysMs: [20] },
  );
  const operating = await world.operate(probe);
  const keys = Array.from({ length: 40 }, (_, index) => `key${index}`);
  await probe.send(...keys.flatMap((key) => ["poison", "second", "third"].map((label) => ({ key, label }))));
  await lettersIn(operating, OPEN, 120);
  broken = false;
  const { redrive } = await operating.client.redriveDeadLetters({ filter: { service: "probe" }, ...by });
  const redriveId = redrive?.redriveId ?? "";
  expect(redrive?.letters).toBe(120n);
  await until(async () => (await probe.effects()).length > 5);
  await operating.host.close();
  const again = await world.operate(probe);
  await until(async () => (await again.client.getRedrive({ redriveId })).redrive?.finishTime !== undefined, {
    timeoutMs: 30_000,
  });
  await lettersIn(again, RESOLVED, 120);
  const { redrive: done } = await again.client.getRedrive({ redriveId });
  expect(done).toMatchObject({ letters: 120n, waiting: 0n, sent: 0n, resolved: 120n, failed: 0n });
  const effects = await probe.effects();
  expect(effects.length).toBe(120);
  for (const key of keys) {
    expect(effects.filter((effect) => effect.key === key).map(({ label }) => label)).toEqual(["poison", "second", "third"]);
  }
});

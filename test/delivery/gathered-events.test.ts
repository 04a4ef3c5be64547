// A service for which nobody waits takes what comes meanwhile in one transaction.
import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { until } from "../support/until.ts";
import { labelsOf, probeWorld, type Probe, type ProbeWorld } from "./probe.ts";

let world: ProbeWorld;

beforeEach(async () => {
  world = await probeWorld();
});

afterEach(() => world.close());

const gatherEventsMs = 1_000;
const events = 6;

/** Sent one after the other; answers in how many transactions they were handled. */
async function sendSlowly(probe: Probe): Promise<number> {
  for (let number = 1; number <= events; number += 1) {
    await probe.send({ key: "a", label: `${number}` });
    await sleep(60);
  }
  await until(async () => (await labelsOf(probe, "a")).length === events);
  const { rows } = await sql<{ count: number }>`
    select count(distinct xmin::text) as count from effect where key = 'a'`.execute(probe.runtime.db);
  return rows[0]?.count ?? 0;
}

test("the first event is handled at once, and what comes within the time makes one batch, in order", async () => {
  const probe = await world.start(undefined, { gatherEventsMs });
  const sentMs = performance.now();
  await probe.send({ key: "b", label: "first" });
  await until(async () => (await labelsOf(probe, "b")).length === 1);
  expect(performance.now() - sentMs).toBeLessThan(gatherEventsMs);
  expect(await sendSlowly(probe)).toBeLessThanOrEqual(2);
  expect(await labelsOf(probe, "a")).toEqual(Array.from({ length: events }, (_, index) => `${index + 1}`));
});

test("where somebody waits each is handled as it comes", async () => {
  const probe = await world.start();
  expect(await sendSlowly(probe)).toBeGreaterThan(2);
});

test("a service that stops does not wait for more, and what it was gathering is handled once", async () => {
  const probe = await world.start(undefined, { gatherEventsMs: 5_000 });
  await probe.send({ key: "a", label: "1" });
  await until(async () => (await labelsOf(probe, "a")).length === 1);
  await probe.send({ key: "a", label: "2" });
  await sleep(300);
  const closedMs = performance.now();
  await probe.host.close();
  expect(performance.now() - closedMs).toBeLessThan(2_500);
  const next = await world.start();
  await until(async () => (await labelsOf(next, "a")).length === 2);
  expect(await labelsOf(next, "a")).toEqual(["1", "2"]);
});

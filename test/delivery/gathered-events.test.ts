// A service for which nobody waits takes what comes meanwhile in one transaction.
import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { newId } from "#runtime/ids.ts";
import { until } from "../support/until.ts";
import { eventType, labelsOf, probeWorld, productBytes, tenant, type Probe, type ProbeWorld } from "./probe.ts";

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
    await sleep(100);
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

test("a turn that takes long does not keep the other partitions waiting", async () => {
  let release: () => void = () => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  const probe = await world.start(async (label) => {
    if (label === "slow") await released;
  });
  // As events of other services are: the relay of this one would wait for its own open transaction.
  const publish = (key: string, label: string): Promise<void> =>
    world.publish({
      subject: `${eventType}.${tenant}.${key}`,
      payload: productBytes(key, label),
      headers: { "ce-id": newId("evt"), "ce-type": eventType, "ce-time": new Date().toISOString() },
    });
  await publish("a", "slow");
  await sleep(300);
  // Of so many keys some are of other partitions.
  const keys = ["b", "c", "d", "e", "f", "g", "h", "i"];
  for (const key of keys) await publish(key, "quick");
  try {
    await until(async () => (await probe.effects()).length > 0, { timeoutMs: 4_000 });
    expect(await labelsOf(probe, "a")).toEqual([]);
  } finally {
    release();
  }
  await until(async () => (await probe.effects()).length === keys.length + 1);
});

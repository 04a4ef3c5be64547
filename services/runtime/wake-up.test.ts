import { getEventListeners } from "node:events";
import { expect, test } from "vitest";
import { createWakeUp } from "./wake-up.ts";

test("a wake before the wait ends it at once, and counts once", async () => {
  const wakeUp = createWakeUp();
  wakeUp.wake();
  await wakeUp.wait(60_000);
  const startedMs = performance.now();
  await wakeUp.wait(20);
  expect(performance.now() - startedMs).toBeGreaterThan(10);
});

test("waits leave no listener behind, however they end", async () => {
  const wakeUp = createWakeUp();
  const stop = new AbortController();
  for (let round = 0; round < 20; round += 1) await wakeUp.wait(1, stop.signal);
  const waiting = wakeUp.wait(60_000, stop.signal);
  wakeUp.wake();
  await waiting;
  expect(getEventListeners(stop.signal, "abort")).toEqual([]);
  const aborted = wakeUp.wait(60_000, stop.signal);
  stop.abort();
  await aborted;
});

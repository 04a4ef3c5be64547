import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createWaves } from "./waves.ts";

test("the first goes at once, and those that follow close behind go together, later", async () => {
  const began: number[] = [];
  const waves = createWaves({ everyMs: 100, begin: () => began.push(performance.now()) });
  waves.wake();
  expect(began).toHaveLength(1);
  for (let wake = 0; wake < 5; wake += 1) waves.wake();
  expect(began).toHaveLength(1);
  await expect.poll(() => began.length).toBe(2);
  expect((began[1] ?? 0) - (began[0] ?? 0)).toBeGreaterThanOrEqual(99);
  await sleep(150);
  expect(began).toHaveLength(2);
  waves.wake();
  expect(began).toHaveLength(3);
});

test("nothing begins after the end", async () => {
  let began = 0;
  const waves = createWaves({ everyMs: 20, begin: () => (began += 1) });
  waves.wake();
  waves.wake();
  waves.close();
  await sleep(60);
  expect(began).toBe(1);
});

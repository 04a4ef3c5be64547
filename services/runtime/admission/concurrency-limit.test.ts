import { expect, test } from "vitest";
import { nextLimit } from "./concurrency-limit.ts";

const bounds = { callsMin: 16, callsMax: 1_024, targetMs: 250, loopDelayMsMax: 50 };
const all = (ms: number): number[] => Array.from({ length: 100 }, () => ms);

test.each([
  { name: "quick calls under a limit that is used: more", heldMs: all(100), inHandMax: 100, loopDelayMs: 5, want: 105 },
  { name: "quick calls, limit not used: as it is", heldMs: all(100), inHandMax: 49, loopDelayMs: 5, want: 100 },
  { name: "close to the target: as it is", heldMs: all(220), inHandMax: 100, loopDelayMs: 5, want: 100 },
  { name: "a little too slow: a little less", heldMs: all(255), inHandMax: 100, loopDelayMs: 5, want: 95 },
  { name: "far too slow: less by no more than a share", heldMs: all(5_000), inHandMax: 100, loopDelayMs: 5, want: 70 },
  { name: "slow for another reason than their number: as it is", heldMs: all(5_000), inHandMax: 20, loopDelayMs: 5, want: 100 },
  {
    name: "a tenth of them slow: more",
    heldMs: [...all(5_000).slice(0, 10), ...all(100).slice(0, 90)],
    inHandMax: 100,
    loopDelayMs: 5,
    want: 105,
  },
  { name: "a busy event loop: less", heldMs: all(10), inHandMax: 100, loopDelayMs: 100, want: 70 },
  { name: "nothing ended and nothing late: more", heldMs: [], inHandMax: 100, loopDelayMs: 0, want: 105 },
])("$name", ({ want, ...sample }) => {
  expect(nextLimit(100, sample, bounds)).toBe(want);
});

test("the limit stays within its bounds", () => {
  expect(nextLimit(16, { heldMs: all(9_000), inHandMax: 16, loopDelayMs: 0 }, bounds)).toBe(16);
  expect(nextLimit(1_020, { heldMs: all(1), inHandMax: 1_020, loopDelayMs: 0 }, bounds)).toBe(1_024);
});

/** A process that answers so many calls a second, and more callers than it can ever answer. */
function settle({ callsPerSecond, from }: { callsPerSecond: number; from: number }): number[] {
  const limits = [from];
  for (let round = 0; round < 100; round += 1) {
    const limit = limits.at(-1) ?? from;
    limits.push(nextLimit(limit, { heldMs: all((limit / callsPerSecond) * 1_000), inHandMax: limit, loopDelayMs: 0 }, bounds));
  }
  return limits;
}

test.each([
  { callsPerSecond: 200, from: 256 },
  { callsPerSecond: 200, from: 16 },
  { callsPerSecond: 2_000, from: 256 },
])("under more than it can take, a process of $callsPerSecond calls a second comes from $from to its target", (given) => {
  const limits = settle(given);
  const heldMs = limits.slice(-20).map((limit) => (limit / given.callsPerSecond) * 1_000);
  expect(Math.max(...heldMs)).toBeLessThanOrEqual(bounds.targetMs * 1.05);
  expect(Math.min(...heldMs)).toBeGreaterThan(bounds.targetMs * 0.7);
});

test("a limit that is far too high is found within two seconds of samples", () => {
  const limits = settle({ callsPerSecond: 100, from: 256 });
  expect(limits[10]).toBeLessThan(35);
});

import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createBackground } from "./background.ts";
import { createForeground, type Callers } from "./foreground.ts";

const piece = (log: number[], number: number) => async (): Promise<void> => {
  log.push(number);
  await sleep(5);
  log.push(-number);
};

test("work runs at once, side by side, while nobody waits", async () => {
  const background = createBackground({ callers: () => "none" });
  const log: number[] = [];
  await Promise.all([background.run(piece(log, 1)), background.run(piece(log, 2))]);
  expect(log.slice(0, 2)).toEqual([1, 2]);
});

test("while some callers wait, four pieces run at a time", async () => {
  const background = createBackground({ callers: () => "some" });
  const log: number[] = [];
  const all = Promise.all([1, 2, 3, 4, 5].map((number) => background.run(piece(log, number))));
  await sleep(1);
  expect(log).toEqual([1, 2, 3, 4]);
  await all;
});

test("a piece that waits for something lets the others go on", async () => {
  const background = createBackground({ callers: () => "many" });
  const log: number[] = [];
  const stuck = background.run(() => sleep(2_000));
  await background.run(piece(log, 2));
  expect(log).toEqual([2, -2]);
  await stuck;
});

test("while many callers wait, what has come by the end of a round and its rest makes the next, and all of it runs", async () => {
  const background = createBackground({ callers: () => "many" });
  const log: number[] = [];
  const first = background.run(piece(log, 1));
  const others = Promise.all([2, 3].map((number) => background.run(piece(log, number))));
  await first;
  const endMs = performance.now();
  await background.run(async () => void log.push(4));
  // The first round has taken 5 ms.
  expect(performance.now() - endMs).toBeGreaterThan(10);
  await others;
  expect(log).toEqual([1, -1, 2, 3, 4, -2, -3]);
});

test("what was put off runs as soon as nobody waits any more", async () => {
  let callers: Callers = "many";
  const background = createBackground({ callers: () => callers });
  const log: number[] = [];
  const first = background.run(() => new Promise<void>((resolve) => setTimeout(resolve, 400)));
  const second = background.run(piece(log, 2));
  await sleep(30);
  expect(log).toEqual([]);
  callers = "none";
  await second;
  expect(log).toEqual([2, -2]);
  await first;
});

test("work that throws lets the next one go on", async () => {
  const background = createBackground({ callers: () => "many" });
  const failing = background.run(() => Promise.reject(new Error("no")));
  await expect(failing).rejects.toThrow("no");
  expect(await background.run(async () => "yes")).toBe("yes");
});

test("a process is busy from the thirteenth caller on, and a moment longer than they stay", async () => {
  const foreground = createForeground();
  const ends = Array.from({ length: 12 }, () => foreground.begin());
  expect(foreground.callers()).toBe("some");
  const end = foreground.begin();
  expect(foreground.callers()).toBe("many");
  end();
  end();
  expect(foreground.callers()).toBe("many");
  await sleep(150);
  expect(foreground.callers()).toBe("some");
  // Ended twice, it was counted once: twelve are still there.
  foreground.begin();
  expect(foreground.callers()).toBe("many");
  for (const each of ends) each();
});

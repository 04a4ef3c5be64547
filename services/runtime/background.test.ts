import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createBackground } from "./background.ts";
import { createForeground } from "./foreground.ts";

const piece = (log: number[], number: number) => async (): Promise<void> => {
  log.push(number);
  await sleep(5);
  log.push(-number);
};

test("work runs at once, side by side, while nobody waits", async () => {
  const background = createBackground({ isBusy: () => false });
  const log: number[] = [];
  await Promise.all([background.run(piece(log, 1)), background.run(piece(log, 2))]);
  expect(log.slice(0, 2)).toEqual([1, 2]);
});

test("while callers wait, work runs one after the other, in the order in which it came, and all of it runs", async () => {
  const background = createBackground({ isBusy: () => true });
  const log: number[] = [];
  await Promise.all([1, 2, 3].map((number) => background.run(piece(log, number))));
  expect(log).toEqual([1, -1, 2, -2, 3, -3]);
});

test("what was put off runs as soon as nobody waits any more", async () => {
  let isBusy = true;
  const background = createBackground({ isBusy: () => isBusy });
  const log: number[] = [];
  const first = background.run(() => new Promise<void>((resolve) => setTimeout(resolve, 500)));
  const second = background.run(piece(log, 2));
  await sleep(30);
  expect(log).toEqual([]);
  isBusy = false;
  await second;
  expect(log).toEqual([2, -2]);
  await first;
});

test("work that throws lets the next one go on", async () => {
  const background = createBackground({ isBusy: () => true });
  const failing = background.run(() => Promise.reject(new Error("no")));
  await expect(failing).rejects.toThrow("no");
  expect(await background.run(async () => "yes")).toBe("yes");
});

test("a process is busy from the thirteenth caller on, and a moment longer than they stay", async () => {
  const foreground = createForeground();
  const ends = Array.from({ length: 12 }, () => foreground.begin());
  expect(foreground.isBusy()).toBe(false);
  const end = foreground.begin();
  expect(foreground.isBusy()).toBe(true);
  end();
  end();
  expect(foreground.isBusy()).toBe(true);
  await sleep(150);
  expect(foreground.isBusy()).toBe(false);
  // Ended twice, it was counted once: twelve are still there.
  foreground.begin();
  expect(foreground.isBusy()).toBe(true);
  for (const each of ends) each();
});

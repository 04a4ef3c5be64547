import { expect, test } from "vitest";
import { nextTime } from "./cron.ts";

const times = (cron: string, timeZone: string, after: string, count: number): string[] => {
  const found: string[] = [];
  let time = new Date(after);
  for (let index = 0; index < count; index += 1)
    found.push((time = nextTime({ cron, timeZone }, time)).toISOString().slice(0, 16));
  return found;
};

test.each([
  {
    name: "every day at the same time of the clock, an hour earlier in UTC once clocks are put forward",
    timing: ["0 4 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z"] as const,
    expected: ["2026-03-28T03:00", "2026-03-29T02:00", "2026-03-30T02:00"],
  },
  {
    name: "a time that there is not on that day is the moment of the change, once",
    timing: ["30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z"] as const,
    expected: ["2026-03-29T01:00", "2026-03-30T00:30"],
  },
  {
    name: "a time that there is twice when clocks are put back is the first, once",
    timing: ["30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z"] as const,
    expected: ["2026-10-25T00:30", "2026-10-26T01:30"],
  },
  {
    name: "UTC knows none of that",
    timing: ["30 2 * * *", "UTC", "2026-03-28T12:00:00Z"] as const,
    expected: ["2026-03-29T02:30"],
  },
])("$name", ({ timing: [cron, timeZone, after], expected }) => {
  expect(times(cron, timeZone, after, expected.length)).toEqual(expected);
});

test.each([
  ["61 0 * * *", "UTC"],
  ["0 0 * *", "UTC"],
  ["0 0 0 * * *", "UTC"],
  ["0 0 30 2 *", "UTC"],
  ["0 0 * * *", "Mars/Phobos"],
])("%s in %s is refused", (cron, timeZone) => {
  expect(() => nextTime({ cron, timeZone }, new Date())).toThrow(/./);
});

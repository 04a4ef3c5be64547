// Whom an event is handled with that was delivered several times without an answer.
import { describe, expect, test } from "vitest";
import type { Delivery } from "./delivery.ts";
import { aloneInProcess, companyMax, partsOf } from "./suspects.ts";

const delivered = (deliveryCount: number, index: number): Delivery =>
  ({ streamSequence: index, message: { info: { deliveryCount } } }) as unknown as Delivery;

const sizes = (...counts: number[]): number[] =>
  partsOf(
    counts.map((count, index) => delivered(count, index)),
    ({ message }) => companyMax(message.info.deliveryCount),
  ).map((part) => part.length);

const times = (count: number, deliveryCount: number): number[] => Array.from({ length: count }, () => deliveryCount);

describe("a batch is cut", () => {
  test.each([
    { name: "nowhere where all came once or twice", counts: [...times(200, 1), ...times(56, 2)], want: [256] },
    { name: "into parts of 64 where all came three times", counts: times(150, 3), want: [64, 64, 22] },
    { name: "into parts of 8 where all came four times", counts: times(20, 4), want: [8, 8, 4] },
    { name: "into single events where all came five times", counts: times(3, 5), want: [1, 1, 1] },
    { name: "around one that stands alone", counts: [1, 1, 5, 1, 1, 1], want: [2, 1, 3] },
    { name: "so that nobody is in larger company than he may", counts: [...times(10, 1), 4, ...times(10, 1)], want: [10, 8, 3] },
    { name: "nowhere where there is nothing", counts: [], want: [] },
  ])("$name", ({ counts, want }) => expect(sizes(...counts)).toEqual(want));

  test("in its order, and nothing is left out", () => {
    const deliveries = [1, 4, 4, 5, 3, 2, 7, 1].map((count, index) => delivered(count, index));
    const parts = partsOf(deliveries, ({ message }) => companyMax(message.info.deliveryCount));
    expect(parts.flat()).toEqual(deliveries);
  });
});

test("suspects of a process are handled one after the other, also behind one that fails", async () => {
  const seen: string[] = [];
  const work = (name: string, fails: boolean) => async () => {
    seen.push(`${name} begins`);
    await new Promise(setImmediate);
    seen.push(`${name} ends`);
    if (fails) throw new Error(name);
    return name;
  };
  const turns = [aloneInProcess(work("first", true)), aloneInProcess(work("second", false))];
  expect(await Promise.allSettled(turns)).toMatchObject([{ reason: new Error("first") }, { value: "second" }]);
  expect(seen).toEqual(["first begins", "first ends", "second begins", "second ends"]);
});

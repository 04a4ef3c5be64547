import { expect, test } from "vitest";
import { groupForHandlers, planRetry, splitBatch } from "./plan.ts";

const created = { name: "created" };
const cancelled = { name: "cancelled" };
const item = (orderKey: string, hearing: object): { orderKey: string; hearing: object } => ({ orderKey, hearing });

test("events of one type go to their handler together", () => {
  const batch = [item("a", created), item("b", created), item("c", created)];
  expect(groupForHandlers(batch)).toEqual([batch]);
});

test("a later event of another type waits for the earlier one of its key, while other keys go along", () => {
  const batch = [item("a", created), item("a", cancelled), item("b", created), item("c", cancelled)];
  expect(
    groupForHandlers(batch).map((group) => group.map((one) => `${one.orderKey}:${(one.hearing as typeof created).name}`)),
  ).toEqual([["a:created", "b:created"], ["c:cancelled"], ["a:cancelled"]]);
});

test("a key that goes back and forth between types keeps its order", () => {
  const batch = [item("a", created), item("a", cancelled), item("a", created)];
  expect(groupForHandlers(batch)).toEqual([[batch[0]], [batch[1]], [batch[2]]]);
});

test.each([
  { items: [1, 2], want: [[1], [2]] },
  { items: [1, 2, 3], want: [[1, 2], [3]] },
])("splitting $items keeps every item and the order", ({ items, want }) => {
  expect(splitBatch(items)).toEqual(want);
});

test.each([
  { attempt: 1, want: { kind: "wait", delayMs: 1000 } },
  { attempt: 2, want: { kind: "wait", delayMs: 2000 } },
  { attempt: 3, want: { kind: "wait", delayMs: 4000 } },
  { attempt: 4, want: { kind: "give_up" } },
])("after attempt $attempt: $want.kind", ({ attempt, want }) => {
  expect(planRetry({ attempt, delaysMs: [1000, 2000, 4000] })).toEqual(want);
});

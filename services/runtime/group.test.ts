import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createGroup, GroupFull, type TakeTurn } from "./group.ts";

function recorded(
  options: { inFlightMax?: number; waitingMax?: number; takeTurn?: TakeTurn; bad?: number; isOfOne?: boolean } = {},
) {
  const groups: number[][] = [];
  const { inFlightMax = 1, waitingMax = 100, takeTurn, bad, isOfOne = true } = options;
  const group = createGroup<number, number>({
    run: async (items) => {
      groups.push([...items]);
      await sleep(10);
      if (bad !== undefined && items.includes(bad)) throw new Error("bad");
      return items.map((item) => item * 2);
    },
    isOfOne: () => isOfOne,
    itemsMax: 3,
    inFlightMax,
    waitingMax,
    ...(takeTurn && { takeTurn }),
  });
  return { groups, group };
}

test("what comes at the same moment goes together, and each gets its own result", async () => {
  const { groups, group } = recorded();
  expect(await Promise.all([1, 2, 3].map(group.add))).toEqual([2, 4, 6]);
  expect(groups).toEqual([[1, 2, 3]]);
});

test("what comes while a group is on its way waits for the next, which is no larger than it may be", async () => {
  const { groups, group } = recorded();
  const first = group.add(1);
  await sleep(5);
  await Promise.all([first, ...[2, 3, 4, 5].map(group.add)]);
  expect(groups).toEqual([[1], [2, 3, 4], [5]]);
});

test("groups run side by side up to their number", async () => {
  const { groups, group } = recorded({ inFlightMax: 2 });
  const all = [1, 2, 3, 4, 5, 6, 7].map(group.add);
  await sleep(5);
  expect(groups).toEqual([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  await Promise.all(all);
});

test("who comes until it is the group's turn goes with it", async () => {
  const { promise: turn, resolve: giveTurn } = Promise.withResolvers<void>();
  const { groups, group } = recorded({ takeTurn: (work) => turn.then(work) });
  const first = group.add(1);
  await sleep(5);
  const second = group.add(2);
  giveTurn();
  await Promise.all([first, second]);
  expect(groups).toEqual([[1, 2]]);
});

test("one that cannot be served fails alone; what every item would meet fails all", async () => {
  const alone = recorded({ bad: 2 });
  const results = await Promise.allSettled([1, 2, 3].map(alone.group.add));
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  const all = recorded({ bad: 2, isOfOne: false });
  const failed = await Promise.allSettled([1, 2, 3].map(all.group.add));
  expect(failed.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  expect(all.groups).toHaveLength(1);
});

test("no more wait than may", async () => {
  const { group } = recorded({ waitingMax: 2 });
  const results = await Promise.allSettled([1, 2, 3].map(group.add));
  expect(results[2]).toMatchObject({ status: "rejected", reason: expect.any(GroupFull) });
});

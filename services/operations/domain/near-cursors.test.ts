import { expect, test } from "vitest";
import { groupNear } from "./near-cursors.ts";

const at = (cursor: number) => ({ cursor });
const cursorsOf = (groups: { cursor: number }[][]): number[][] => groups.map((group) => group.map(({ cursor }) => cursor));

test("who is near is read for together, whatever order they come in", () => {
  expect(cursorsOf(groupNear([at(12_000), at(0), at(20_000), at(10_000), at(500)]))).toEqual([
    [0, 500, 10_000],
    [12_000, 20_000],
  ]);
});

test("a group does not creep: all are near the one that is furthest behind", () => {
  expect(cursorsOf(groupNear([at(0), at(9_000), at(18_000), at(27_000)]))).toEqual([
    [0, 9_000],
    [18_000, 27_000],
  ]);
});

test("nobody is behind", () => {
  expect(groupNear([])).toEqual([]);
});

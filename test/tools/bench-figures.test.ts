// What the benchmark makes of its runs; and that a run with errors gives no figure.
import { describe, expect, test } from "vitest";
import {
  figureOf,
  figuresJson,
  figureTable,
  isRefused,
  median,
  newSeries,
  type Figure,
  type Run,
} from "../../tools/bench/figures.ts";

const series = (...runs: Run[]) => ({
  ...newSeries({ name: "accept", variant: "gRPC, 64 callers", unit: "orders/s", limitName: "pgbench" }),
  runs,
});

function figure(...runs: Run[]): Figure {
  const result = figureOf(series(...runs));
  if (isRefused(result)) throw new Error(result.why);
  return result;
}

test.each([
  { values: [3], want: 3 },
  { values: [9, 1, 2], want: 2 },
  { values: [4, 1, 3, 2], want: 2.5 },
])("the median of $values is $want", ({ values, want }) => expect(median(values)).toBe(want));

describe("a figure", () => {
  const runs = [
    { value: 100, limit: 200, p50Ms: 5, p99Ms: 9 },
    { value: 300, limit: 400, p50Ms: 4, p99Ms: 30 },
    { value: 200, limit: 1_000, p50Ms: 6, p99Ms: 10 },
  ];

  test("is the median of its runs, with their spread", () => {
    expect(figure(...runs)).toMatchObject({ value: 200, min: 100, max: 300, limit: 400, p50Ms: 5, p99Ms: 10 });
  });

  test("has the ratio that most runs had to the limit beside them, not that of the medians", () => {
    expect(figure(...runs).ratio).toBe(0.5);
  });

  test("without a limit has none, and no ratio", () => {
    expect(figure({ value: 1 })).toMatchObject({ limit: null, ratio: null, p50Ms: null });
  });

  test("is written with every field of the format", () => {
    const [written] = JSON.parse(figuresJson([figure(...runs)])) as object[];
    expect(written).toMatchObject({ name: "accept", variant: "gRPC, 64 callers", unit: "orders/s", value: 200, ratio: 0.5 });
    expect(Object.keys(written ?? {})).toEqual(
      expect.arrayContaining(["name", "variant", "value", "unit", "limit", "ratio", "p50Ms", "p99Ms"]),
    );
  });

  test("stands in the table beside its limit", () => {
    const [, row] = figureTable([figure(...runs)]).split("\n");
    expect(row).toMatch(/^accept +gRPC, 64 callers +200 +100\.\.300 +orders\/s +400 +0\.50 +5 +10 +pgbench$/);
  });
});

describe("no figure", () => {
  test("comes of runs of which one had errors: it says which, and how many", () => {
    const failed = figureOf(
      series({ value: 100 }, { value: 90, errors: { Unavailable: 2 } }, { value: 80, errors: { Unavailable: 1 } }),
    );
    expect(failed).toEqual({ name: "accept", variant: "gRPC, 64 callers", why: "3 × Unavailable" });
  });

  test.each([
    { name: "of nothing", runs: [] },
    { name: "of a division by nothing", runs: [{ value: Number.NaN }] },
  ])("comes $name", ({ runs }) => expect(isRefused(figureOf(series(...runs)))).toBe(true));
});

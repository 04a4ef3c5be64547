import { expect, test } from "vitest";
import { faultOf, isDomestic, quote, type RateRule, type WeightStep } from "./rates.ts";

const rule = (changes: Partial<RateRule>): RateRule => ({
  method: "STANDARD",
  currencyCode: "USD",
  baseMinorUnits: 499,
  unitMinorUnits: 50,
  maxMinorUnits: 4_999,
  steps: [],
  ...changes,
});
const costOf = (rules: readonly RateRule[], units: number, weightGrams = 0): number[] =>
  quote(rules, { units, weightGrams }).map(({ cost }) => cost.minorUnits);

test.each([
  { units: 1, want: 499 },
  { units: 2, want: 549 },
  { units: 91, want: 4_999 },
  { units: 92, want: 4_999 },
  { units: 500, want: 4_999 },
  { units: 1_000_000_000, want: 4_999 },
])("$units units cost $want", ({ units, want }) => {
  const parcel = { units, weightGrams: 0 };
  expect(quote([rule({})], parcel)).toEqual([{ method: "STANDARD", cost: { currencyCode: "USD", minorUnits: want } }]);
});

test.each([
  { what: "the dearer method", express: 500, want: ["STANDARD", "EXPRESS"] },
  { what: "a method of the same price", express: 499, want: ["STANDARD", "EXPRESS"] },
  { what: "a cheaper method", express: 498, want: ["EXPRESS", "STANDARD"] },
])("cheapest first, standard first among equals: $what", ({ express, want }) => {
  const rules = [rule({ method: "EXPRESS", baseMinorUnits: express }), rule({})];
  expect(quote(rules, { units: 1, weightGrams: 0 }).map(({ method }) => method)).toEqual(want);
});

test.each([
  { country: "", want: true },
  { country: "DE", want: true },
  { country: "FR", want: false },
])('from DE to "$country" is domestic: $want', ({ country, want }) => {
  expect(isDomestic(country, "DE")).toBe(want);
});

const step = (fromGrams: number, toGrams: number | null, minorUnits = 100): WeightStep => ({ fromGrams, toGrams, minorUnits });
const upTo30kg = [step(0, 1_000, 0), step(1_000, 5_000, 200), step(5_000, 30_000, 900)];

test.each([
  { grams: 0, want: [499] },
  { grams: 999, want: [499] },
  { grams: 1_000, want: [699] },
  { grams: 4_999, want: [699] },
  { grams: 5_000, want: [1_399] },
  { grams: 29_999, want: [1_399] },
  { grams: 30_000, want: [] },
])("$grams grams cost $want", ({ grams, want }) => {
  expect(costOf([rule({ steps: upTo30kg })], 1, grams)).toEqual(want);
});

test("the last step may be without an end, and the most is for the units alone", () => {
  const open = rule({ steps: [step(0, 1_000, 0), step(1_000, null, 700)] });
  expect(costOf([open], 500, 1_000_000_000)).toEqual([5_699]);
});

test.each<{ why: string; changes: Partial<RateRule>; want: string | undefined }>([
  { why: "no steps", changes: {}, want: undefined },
  { why: "steps without a gap", changes: { steps: upTo30kg }, want: undefined },
  { why: "one step for all weights", changes: { steps: [step(0, null)] }, want: undefined },
  { why: "a first step that is not from 0", changes: { steps: [step(1, null)] }, want: "RATE_STEPS_GAP" },
  { why: "a gap", changes: { steps: [step(0, 10), step(11, null)] }, want: "RATE_STEPS_GAP" },
  { why: "two for one weight", changes: { steps: [step(0, 10), step(9, null)] }, want: "RATE_STEPS_OVERLAP" },
  { why: "one after the last", changes: { steps: [step(0, null), step(10, 20)] }, want: "RATE_STEPS_OVERLAP" },
  { why: "one that is empty", changes: { steps: [step(0, 0)] }, want: "RATE_STEPS_OVERLAP" },
  { why: "not in their order", changes: { steps: [step(10, 20), step(0, 10)] }, want: "RATE_STEPS_GAP" },
  { why: "a most below the first unit", changes: { maxMinorUnits: 498 }, want: "RATE_MAX_BELOW_BASE" },
])("a rate with $why: $want", ({ changes, want }) => {
  expect(faultOf(rule(changes))?.reason).toBe(want);
});

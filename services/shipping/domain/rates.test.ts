import { expect, test } from "vitest";
import { quote, zoneOf, type RateRule } from "./rates.ts";

const rule = (changes: Partial<RateRule>): RateRule => ({
  method: "STANDARD",
  currencyCode: "USD",
  baseMinorUnits: 499,
  unitMinorUnits: 50,
  maxMinorUnits: 4_999,
  ...changes,
});

test.each([
  { units: 1, want: 499 },
  { units: 2, want: 549 },
  { units: 91, want: 4_999 },
  { units: 92, want: 4_999 },
  { units: 500, want: 4_999 },
  { units: 1_000_000_000, want: 4_999 },
])("$units units cost $want", ({ units, want }) => {
  expect(quote([rule({})], units)).toEqual([{ method: "STANDARD", cost: { currencyCode: "USD", minorUnits: want } }]);
});

test.each([
  { what: "the dearer method", express: 500, want: ["STANDARD", "EXPRESS"] },
  { what: "a method of the same price", express: 499, want: ["STANDARD", "EXPRESS"] },
  { what: "a cheaper method", express: 498, want: ["EXPRESS", "STANDARD"] },
])("cheapest first, standard first among equals: $what", ({ express, want }) => {
  const rules = [rule({ method: "EXPRESS", baseMinorUnits: express }), rule({})];
  expect(quote(rules, 1).map(({ method }) => method)).toEqual(want);
});

test.each([
  { country: "", want: "domestic" },
  { country: "DE", want: "domestic" },
  { country: "FR", want: "international" },
])('from DE to "$country" is $want', ({ country, want }) => {
  expect(zoneOf(country, "DE")).toBe(want);
});

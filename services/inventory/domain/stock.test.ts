import { expect, test } from "vitest";
import { adjust, changeUnits, crossesLow, shortagesOf, sumPerSku, type Stock } from "./stock.ts";

const stockOf = (units: { onHand: number; reserved: number }): Stock => ({
  tenant: "demo",
  sku: "MUG",
  lowStockThreshold: 5,
  sequence: 0,
  ...units,
});

test("demand for one SKU is summed, in the order of first mention", () => {
  const lines = [
    { sku: "B", quantity: 1 },
    { sku: "A", quantity: 2 },
    { sku: "B", quantity: 3 },
  ];
  expect(sumPerSku(lines)).toEqual([
    { sku: "B", quantity: 4 },
    { sku: "A", quantity: 2 },
  ]);
});

test.each([
  { available: 3, requested: 3, short: false },
  { available: 2, requested: 3, short: true },
  { available: 0, requested: 1, short: true },
  { available: undefined, requested: 1, short: true },
])("$requested wanted of $available: short is $short", ({ available, requested, short }) => {
  const want = short ? [{ sku: "MUG", requested, available: available ?? 0 }] : [];
  expect(shortagesOf([{ sku: "MUG", quantity: requested }], () => available)).toEqual(want);
});

test.each([
  { before: 6, after: 5, want: false },
  { before: 5, after: 4, want: true },
  { before: 9, after: 0, want: true },
  { before: 4, after: 3, want: false },
  { before: 4, after: 9, want: false },
  { before: 5, after: 5, want: false },
])("on hand from $before to $after with a threshold of 5: low is $want", ({ want, ...units }) => {
  expect(crossesLow({ ...units, threshold: 5 })).toBe(want);
});

test.each([
  { onHand: 10, reserved: 4, quantity: -6, want: "adjusted" },
  { onHand: 10, reserved: 4, quantity: -7, want: "below_reserved" },
  { onHand: 10, reserved: 4, quantity: 1_000, want: "adjusted" },
  { onHand: 0, reserved: 0, quantity: -1, want: "below_reserved" },
] as const)("$onHand on hand, $reserved held, $quantity by hand: $want", ({ quantity, want, ...units }) => {
  expect(adjust(stockOf(units), quantity).kind).toBe(want);
});

test.each([
  { onHand: -11, reserved: 0 },
  { onHand: 0, reserved: 7 },
  { onHand: 0, reserved: -5 },
])("a change of %o that would break the books is a mistake of ours", (change) => {
  expect(() => changeUnits(stockOf({ onHand: 10, reserved: 4 }), change)).toThrow(/would hold/);
});

test("a crossing counts an event under the SKU's key", () => {
  const { stock, isLow } = changeUnits(stockOf({ onHand: 6, reserved: 2 }), { onHand: -2, reserved: -2 });
  expect({ isLow, sequence: stock.sequence }).toEqual({ isLow: true, sequence: 1 });
});

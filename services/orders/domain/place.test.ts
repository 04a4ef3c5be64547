import { expect, test } from "vitest";
import { priceLines, priceOrder, totalMax, type WantedItem } from "./place.ts";

const prices = new Map([
  ["MUG", { title: "Mug", unitPrice: 1250, taxClass: "STANDARD" }],
  ["HOUSE", { title: "House", unitPrice: totalMax, taxClass: "STANDARD" }],
]);

const untaxed = (wanted: readonly WantedItem[], costs: { shippingCost: number; expectedTotal: number | undefined }) =>
  priceOrder({ lines: priceLines(wanted, prices), taxes: { lines: [], shipping: undefined }, ...costs });

test("an order costs its lines and its shipping, in whole minor units", () => {
  const wanted = [
    { sku: "MUG", quantity: 3 },
    { sku: "MUG", quantity: 1 },
  ];
  expect(untaxed(wanted, { shippingCost: 499, expectedTotal: undefined })).toEqual({
    kind: "priced",
    items: [
      { sku: "MUG", quantity: 3, title: "Mug", unitPrice: 1250, lineTotal: 3750 },
      { sku: "MUG", quantity: 1, title: "Mug", unitPrice: 1250, lineTotal: 1250 },
    ],
    subtotal: 5000,
    shippingCost: 499,
    taxAdded: 0,
    total: 5499,
  });
});

test.each([
  { expectedTotal: 1749, want: "priced" },
  { expectedTotal: 1748, want: "not_as_expected" },
] as const)("a buyer who was shown $expectedTotal: $want", ({ expectedTotal, want }) => {
  const wanted = [{ sku: "MUG", quantity: 1 }];
  expect(untaxed(wanted, { shippingCost: 499, expectedTotal }).kind).toBe(want);
});

test.each([100_000, 2])("%d times the dearest thing is refused before any number loses precision", (quantity) => {
  const wanted = [{ sku: "HOUSE", quantity }];
  expect(untaxed(wanted, { shippingCost: 0, expectedTotal: undefined })).toEqual({ kind: "too_large" });
});

import { expect, test } from "vitest";
import { priceOrder, totalMax } from "./place.ts";

const prices = new Map([
  ["MUG", { title: "Mug", unitPrice: 1250 }],
  ["HOUSE", { title: "House", unitPrice: totalMax }],
]);

test("an order costs its lines and its shipping, in whole minor units", () => {
  const wanted = [
    { sku: "MUG", quantity: 3 },
    { sku: "MUG", quantity: 1 },
  ];
  expect(priceOrder({ wanted, prices, shippingCost: 499, expectedTotal: undefined })).toEqual({
    kind: "priced",
    items: [
      { sku: "MUG", quantity: 3, title: "Mug", unitPrice: 1250, lineTotal: 3750 },
      { sku: "MUG", quantity: 1, title: "Mug", unitPrice: 1250, lineTotal: 1250 },
    ],
    subtotal: 5000,
    shippingCost: 499,
    total: 5499,
  });
});

test.each([
  { expectedTotal: 1749, want: "priced" },
  { expectedTotal: 1748, want: "not_as_expected" },
] as const)("a buyer who was shown $expectedTotal: $want", ({ expectedTotal, want }) => {
  const wanted = [{ sku: "MUG", quantity: 1 }];
  expect(priceOrder({ wanted, prices, shippingCost: 499, expectedTotal }).kind).toBe(want);
});

test.each([100_000, 2])("%d times the dearest thing is refused before any number loses precision", (quantity) => {
  const wanted = [{ sku: "HOUSE", quantity }];
  expect(priceOrder({ wanted, prices, shippingCost: 0, expectedTotal: undefined })).toEqual({ kind: "too_large" });
});

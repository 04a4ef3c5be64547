import { expect, test } from "vitest";
import { lineTitle, sortByCurrency, sortPrices } from "./domain.ts";

test.each([
  { product: "Wool sweater", variant: "Blue, L", want: "Wool sweater (Blue, L)" },
  { product: "Wool sweater", variant: "", want: "Wool sweater" },
])("a line of $product in '$variant' is called $want", ({ want, ...titles }) => {
  expect(lineTitle(titles)).toBe(want);
});

test("every SKU is found, without a price, or unknown, and keeps its place", () => {
  const sorted = sortPrices([
    { sku: "B", title: "Bowl", minorUnits: 900, weightGrams: 20, taxClass: "STANDARD" },
    { sku: "X", title: undefined, minorUnits: undefined, weightGrams: 0, taxClass: "STANDARD" },
    { sku: "A", title: "Apron", minorUnits: 100, weightGrams: 20, taxClass: "STANDARD" },
    { sku: "C", title: "Cap", minorUnits: undefined, weightGrams: 0, taxClass: "STANDARD" },
  ]);
  expect(sorted).toEqual({
    found: [
      { sku: "B", title: "Bowl", minorUnits: 900, weightGrams: 20, taxClass: "STANDARD" },
      { sku: "A", title: "Apron", minorUnits: 100, weightGrams: 20, taxClass: "STANDARD" },
    ],
    unknown: ["X"],
    withoutPrice: ["C"],
  });
});

test("prices stand in the order of their currencies", () => {
  const [eur, usd] = [
    { currencyCode: "EUR", minorUnits: 1 },
    { currencyCode: "USD", minorUnits: 2 },
  ];
  expect(sortByCurrency([usd, eur])).toEqual(sortByCurrency([eur, usd]));
});

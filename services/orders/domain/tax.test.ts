import { describe, expect, test } from "vitest";
import { rateFor, taxesByRates, taxTotals, type TaxRate } from "./tax.ts";

const rate = (change: Partial<TaxRate>): TaxRate => ({
  countryCode: "DE",
  region: "",
  taxClass: "STANDARD",
  rate: 1_900,
  pricesInclude: false,
  name: "VAT",
  ...change,
});

describe("which rate counts", () => {
  const rates = [
    rate({ name: "country" }),
    rate({ taxClass: "REDUCED", name: "reduced" }),
    rate({ region: "HELGOLAND", name: "region" }),
    rate({ countryCode: "US", region: "NY", taxClass: "CLOTHES", name: "clothes" }),
  ];

  test.each([
    { countryCode: "DE", region: "", taxClass: "STANDARD", want: "country" },
    { countryCode: "DE", region: "Bayern", taxClass: "STANDARD", want: "country" },
    { countryCode: "DE", region: " Helgoland ", taxClass: "STANDARD", want: "region" },
    { countryCode: "DE", region: "", taxClass: "REDUCED", want: "reduced" },
    // The class goes before the region.
    { countryCode: "DE", region: "Helgoland", taxClass: "REDUCED", want: "reduced" },
    { countryCode: "DE", region: "", taxClass: "BOOKS", want: "country" },
    { countryCode: "DE", region: "Helgoland", taxClass: "BOOKS", want: "region" },
    { countryCode: "US", region: "ny", taxClass: "CLOTHES", want: "clothes" },
    { countryCode: "US", region: "NJ", taxClass: "CLOTHES", want: undefined },
    { countryCode: "US", region: "NY", taxClass: "STANDARD", want: undefined },
    { countryCode: "FR", region: "", taxClass: "STANDARD", want: undefined },
  ])("for $taxClass to $countryCode '$region': $want", ({ taxClass, want, ...destination }) => {
    expect(rateFor(rates, destination, taxClass)?.name).toBe(want);
  });
});

const lineTax = (amount: number, change: Partial<TaxRate>) => {
  const destination = { countryCode: "DE", region: "" };
  const amounts = { lines: [{ taxClass: "STANDARD", amount }], shippingCost: 0 };
  return taxesByRates([rate(change)], { destination, amounts }).lines[0];
};

test.each([
  // On top: 19 % of the price.
  { amount: 1_000, rate: 1_900, pricesInclude: false, want: 190 },
  { amount: 50, rate: 1_900, pricesInclude: false, want: 10 },
  { amount: 49, rate: 1_900, pricesInclude: false, want: 9 },
  // Exactly half is rounded up, just below half is not.
  { amount: 50, rate: 100, pricesInclude: false, want: 1 },
  { amount: 49, rate: 100, pricesInclude: false, want: 0 },
  { amount: 10, rate: 2_500, pricesInclude: false, want: 3 },
  { amount: 1, rate: 5_000, pricesInclude: false, want: 1 },
  { amount: 1_000, rate: 0, pricesInclude: false, want: 0 },
  { amount: 1_000, rate: 10_000, pricesInclude: false, want: 1_000 },
  // Contained: 19 parts of 119.
  { amount: 1_190, rate: 1_900, pricesInclude: true, want: 190 },
  { amount: 1_000, rate: 1_900, pricesInclude: true, want: 160 },
  { amount: 3, rate: 10_000, pricesInclude: true, want: 2 },
  { amount: 1_000, rate: 0, pricesInclude: true, want: 0 },
  // No number loses precision.
  { amount: 1_000_000_000_000, rate: 9_999, pricesInclude: false, want: 999_900_000_000 },
  { amount: 999_999_999_999, rate: 1_925, pricesInclude: true, want: 161_425_576_520 },
])("$rate hundredths of a percent of $amount, contained: $pricesInclude, are $want", ({ amount, want, ...change }) => {
  expect(lineTax(amount, change)).toMatchObject({ amount: want, rate: change.rate, isIncluded: change.pricesInclude });
});

test("each line is rounded by itself, so that what is shown adds up", () => {
  const destination = { countryCode: "DE", region: "" };
  const lines = [50, 50].map((amount) => ({ taxClass: "STANDARD", amount }));
  const taxes = taxesByRates([rate({ rate: 100 })], { destination, amounts: { lines, shippingCost: 0 } });
  expect(taxTotals(taxes)).toEqual({ tax: 2, taxAdded: 2 });
});

test("sending bears the rate of its class, or else STANDARD's; what costs nothing bears nothing", () => {
  const destination = { countryCode: "DE", region: "" };
  const shippingTax = (rates: TaxRate[], shippingCost = 500) =>
    taxesByRates(rates, { destination, amounts: { lines: [], shippingCost } }).shipping;
  expect(shippingTax([rate({})])).toMatchObject({ amount: 95, rate: 1_900 });
  expect(shippingTax([rate({}), rate({ taxClass: "SHIPPING", rate: 700 })])).toMatchObject({ amount: 35, rate: 700 });
  expect(shippingTax([rate({})], 0)).toBeUndefined();
  expect(shippingTax([])).toBeUndefined();
});

test("tax in the price and tax on top stand beside each other; only the latter is added", () => {
  const rates = [rate({ pricesInclude: true }), rate({ taxClass: "LUXURY", rate: 1_000 })];
  const lines = [
    { taxClass: "STANDARD", amount: 1_190 },
    { taxClass: "LUXURY", amount: 1_000 },
  ];
  const amounts = { lines, shippingCost: 119 };
  const taxes = taxesByRates(rates, { destination: { countryCode: "DE", region: "" }, amounts });
  expect(taxTotals(taxes)).toEqual({ tax: 190 + 100 + 19, taxAdded: 100 });
});

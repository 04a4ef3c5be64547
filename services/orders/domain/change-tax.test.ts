import { expect, test } from "vitest";
import { amountsToTax, isElsewhere, skusToTax, withTaxes, type TaxChange } from "./change-tax.ts";
import type { Item } from "./change.ts";
import type { Tax } from "./tax.ts";

const vat = (amount: number, change: Partial<Tax> = {}): Tax => ({
  amount,
  rate: 1_900,
  name: "VAT",
  isIncluded: false,
  ...change,
});
const item = (sku: string, quantity: number, tax?: Tax | null): Item => ({
  sku,
  title: sku,
  quantity,
  unitPrice: 100,
  ...(tax !== undefined && { tax }),
});

const change = (given: Partial<TaxChange>): TaxChange => ({
  before: { shippingTax: vat(95) },
  items: [],
  shippingCost: 500,
  isElsewhere: false,
  isShippingAnew: false,
  ...given,
});
const classOf = (sku: string): string => `CLASS-${sku}`;
const nothing = { lines: [], shipping: undefined };

test("what stays bears the rate with which it was bought, on what is left of it, and nothing is asked", () => {
  const stays = change({ items: [item("MUG", 1, vat(57)), item("BOOK", 2, null)] });
  expect(skusToTax(stays)).toEqual([]);
  expect(amountsToTax(stays, classOf)).toEqual({ lines: [], shippingCost: 0 });
  expect(withTaxes(stays, nothing)).toEqual({
    items: [item("MUG", 1, vat(19)), item("BOOK", 2, null)],
    shippingTax: vat(95),
    taxAdded: 19 + 95,
  });
});

test("what is added bears the rate of today, as does sending where it is priced anew", () => {
  const added = change({ items: [item("MUG", 1, vat(19)), item("CUP", 3), item("PEN", 1)], isShippingAnew: true });
  expect(skusToTax(added)).toEqual(["CUP", "PEN"]);
  const lines = [
    { taxClass: "CLASS-CUP", amount: 300 },
    { taxClass: "CLASS-PEN", amount: 100 },
  ];
  expect(amountsToTax(added, classOf)).toEqual({ lines, shippingCost: 500 });
  const answered = { lines: [vat(60, { rate: 2_000 }), undefined], shipping: vat(100, { rate: 2_000 }) };
  expect(withTaxes(added, answered)).toEqual({
    items: [item("MUG", 1, vat(19)), item("CUP", 3, vat(60, { rate: 2_000 })), item("PEN", 1, null)],
    shippingTax: vat(100, { rate: 2_000 }),
    taxAdded: 19 + 60 + 100,
  });
});

test("what goes elsewhere bears what is borne there, all of it", () => {
  const moved = change({ items: [item("MUG", 1, vat(19)), item("BOOK", 2, null)], isElsewhere: true });
  expect(skusToTax(moved)).toEqual(["MUG", "BOOK"]);
  expect(amountsToTax(moved, classOf).lines).toHaveLength(2);
  const there = vat(17, { rate: 2_000, isIncluded: true });
  expect(withTaxes(moved, { lines: [there, undefined], shipping: undefined })).toEqual({
    items: [item("MUG", 1, there), item("BOOK", 2, null)],
    shippingTax: null,
    taxAdded: 0,
  });
});

test.each([
  { before: { countryCode: "DE", region: "" }, after: { countryCode: "DE", region: "" }, want: false },
  { before: { countryCode: "DE", region: "" }, after: { countryCode: "DE", region: "Bayern" }, want: true },
  { before: { countryCode: "DE", region: "" }, after: { countryCode: "FR", region: "" }, want: true },
  { before: null, after: { countryCode: "DE", region: "" }, want: true },
  { before: null, after: null, want: false },
])("from $before to $after is elsewhere: $want", ({ before, after, want }) => {
  expect(isElsewhere(before, after)).toBe(want);
});

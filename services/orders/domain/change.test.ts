import { expect, test } from "vitest";
import {
  addedUnits,
  ceilingOf,
  changedItems,
  countryRefusal,
  isSentOtherwise,
  linesRefusal,
  totalRefusal,
  type ChangeableOrder,
  type Content,
  type Item,
} from "./change.ts";
import { totalMax } from "./place.ts";

const item = (sku: string, quantity: number, unitPrice = 100): Item => ({ sku, title: sku, quantity, unitPrice });
const prices = new Map([
  ["MUG", { title: "MUG", unitPrice: 120 }],
  ["CAP", { title: "CAP", unitPrice: 50 }],
  ["TEA", { title: "TEA", unitPrice: 100 }],
]);
const start = [item("MUG", 3), item("TEA", 2)];

test.each([
  { why: "fewer keep their price", wanted: [["MUG", 1]], want: [item("MUG", 1), item("TEA", 2)] },
  { why: "none is no line", wanted: [["MUG", 0]], want: [item("TEA", 2)] },
  { why: "more have the price of today", wanted: [["MUG", 5]], want: [item("MUG", 3), item("TEA", 2), item("MUG", 2, 120)] },
  { why: "more at the same price join their line", wanted: [["TEA", 4]], want: [item("MUG", 3), item("TEA", 4)] },
  { why: "another SKU is a line of its own", wanted: [["CAP", 1]], want: [item("MUG", 3), item("TEA", 2), item("CAP", 1, 50)] },
  { why: "all that is not named stays", wanted: [], want: start },
  { why: "nothing of what was not there changes nothing", wanted: [["CAP", 0]], want: start },
  {
    why: "all at once",
    wanted: [
      ["MUG", 0],
      ["TEA", 1],
      ["CAP", 2],
    ],
    want: [item("TEA", 1), item("CAP", 2, 50)],
  },
] as { why: string; wanted: [string, number][]; want: Item[] }[])("$why", ({ wanted, want }) => {
  const before = structuredClone(start);
  const named = wanted.map(([sku, quantity]) => ({ sku, quantity }));
  expect(changedItems(start, named, prices)).toEqual(want);
  expect(start).toEqual(before);
});

test("what was added last goes first", () => {
  const two = [item("MUG", 3), item("TEA", 1), item("MUG", 2, 120)];
  expect(changedItems(two, [{ sku: "MUG", quantity: 4 }], prices)).toEqual([item("MUG", 3), item("TEA", 1), item("MUG", 1, 120)]);
  expect(changedItems(two, [{ sku: "MUG", quantity: 2 }], prices)).toEqual([item("MUG", 2), item("TEA", 1)]);
});

test("only what is wanted in addition has to be there", () => {
  const wanted = [
    { sku: "MUG", quantity: 5 },
    { sku: "TEA", quantity: 1 },
    { sku: "CAP", quantity: 1 },
  ];
  expect(addedUnits([...start, item("MUG", 1, 120)], wanted)).toEqual([
    { sku: "MUG", quantity: 1 },
    { sku: "CAP", quantity: 1 },
  ]);
});

const order = (change: Partial<ChangeableOrder> = {}): ChangeableOrder => ({
  state: "pending_shipment",
  inventory: "reserved",
  cancelReason: "",
  paymentAsked: true,
  isChanging: false,
  isSplit: false,
  total: 1_000,
  askedTotal: null,
  ...change,
});

test.each([
  { why: "costs less", order: order(), total: 1, want: undefined },
  { why: "costs the same", order: order(), total: 1_000, want: undefined },
  { why: "costs nothing", order: order(), total: 0, want: "TOTAL_NOT_POSITIVE" },
  { why: "costs more than was asked for", order: order(), total: 1_001, want: "TOTAL_ABOVE_AUTHORIZED" },
  { why: "costs again what was asked for", order: order({ total: 500, askedTotal: 1_000 }), total: 1_000, want: undefined },
  {
    why: "costs more than was screened",
    order: order({ state: "pending", paymentAsked: false }),
    total: 1_001,
    want: "TOTAL_ABOVE_SCREENED",
  },
  { why: "has not begun", order: order({ state: "scheduled", paymentAsked: false }), total: 9_999, want: undefined },
  { why: "is too dear", order: order({ state: "scheduled" }), total: totalMax + 1, want: "TOTAL_TOO_LARGE" },
])("an order that $why: $want", ({ order: given, total, want }) => {
  expect(totalRefusal(given, total)?.reason).toBe(want);
});

test("the most that it may cost is what others were told", () => {
  expect(ceilingOf(order({ state: "scheduled" }))).toBeUndefined();
  expect(ceilingOf(order({ total: 800, askedTotal: 1_000 }))).toBe(1_000);
});

test("an order keeps a line, and not too many", () => {
  expect(linesRefusal([])?.reason).toBe("NO_LINES_LEFT");
  expect(linesRefusal(start)).toBeUndefined();
  expect(linesRefusal(Array.from({ length: 501 }, () => item("MUG", 1)))?.reason).toBe("TOO_MANY_LINES");
});

test("the country stays once the order has begun", () => {
  const [bonn, lyon] = [{ countryCode: "DE" }, { countryCode: "FR" }];
  expect(countryRefusal({ state: "pending" }, bonn, lyon)?.reason).toBe("COUNTRY_FIXED");
  expect(countryRefusal({ state: "pending" }, null, lyon)?.reason).toBe("COUNTRY_FIXED");
  expect(countryRefusal({ state: "scheduled" }, bonn, lyon)).toBeUndefined();
  expect(countryRefusal({ state: "pending_shipment" }, bonn, { ...bonn })).toBeUndefined();
});

test("sending is priced anew where it is another parcel, way or country", () => {
  const before: Content<{ countryCode: string; city?: string }, string> = {
    items: start,
    subtotal: 500,
    shippingCost: 10,
    shippingTax: null,
    taxAdded: 0,
    total: 510,
    shippingMethod: "STANDARD",
    shippingAddress: { countryCode: "DE" },
  };
  expect(
    isSentOtherwise(before, { ...before, shippingAddress: { countryCode: "DE", city: "Bonn" } as { countryCode: string } }),
  ).toBe(false);
  expect(isSentOtherwise(before, { ...before, items: start.toReversed() })).toBe(false);
  expect(isSentOtherwise(before, { ...before, items: [item("MUG", 3)] })).toBe(true);
  expect(isSentOtherwise(before, { ...before, shippingMethod: "EXPRESS" })).toBe(true);
  expect(isSentOtherwise(before, { ...before, shippingAddress: { countryCode: "FR" } })).toBe(true);
});

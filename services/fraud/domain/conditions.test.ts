// What conditions mean, kind by kind, and the forms in which values are compared.
import { describe, expect, test } from "vitest";
import { look, type Condition, type SimpleCondition } from "./conditions.ts";
import { entriesFor, entryForm } from "./lists.ts";
import { addressForm, emailForm, postalCodeForm, type ScreenedOrder } from "./order.ts";

const order: ScreenedOrder = {
  tenant: "demo",
  orderId: "ord_1",
  customerId: "ada",
  cardBin: "42424212",
  deviceFingerprint: "laptop",
  email: "ada+shop@example.test",
  countryCode: "GB",
  postalCode: "SW1A1AA",
  addressHash: "a1",
  units: 12,
  lines: 3,
  total: { currencyCode: "EUR", minorUnits: 2_000 },
  placeTime: new Date("2026-03-01T12:00:00Z"),
  expireTime: null,
};
const nothing = { velocity: {}, listIds: ["lst_known"] };

const noAddress = { addressHash: "", countryCode: "", postalCode: "" };
const cases: { condition: Condition; changes?: Partial<ScreenedOrder>; want: string; isMatch: boolean }[] = [
  { condition: { kind: "country", countryCodes: ["FR", "GB"] }, isMatch: true, want: "goes to GB" },
  { condition: { kind: "country", countryCodes: ["FR"] }, isMatch: false, want: "goes to GB, which is not asked for" },
  {
    condition: { kind: "country", countryCodes: ["FR"] },
    changes: noAddress,
    isMatch: false,
    want: "order has no address",
  },
  {
    condition: { kind: "postal_code", countryCode: "GB", prefix: "SW1" },
    isMatch: true,
    want: "postal code starts with GB SW1",
  },
  {
    condition: { kind: "postal_code", countryCode: "FR", prefix: "SW1" },
    isMatch: false,
    want: "postal code does not start with FR SW1",
  },
  { condition: { kind: "address", addressHash: "a1" }, isMatch: true, want: "address is the one" },
  { condition: { kind: "address", addressHash: "a2" }, isMatch: false, want: "address is another" },
  {
    condition: { kind: "email", email: "ada+shop@example.test" },
    isMatch: true,
    want: "mail address is of ada+shop@example.test",
  },
  {
    condition: { kind: "email", email: "ada@example.test" },
    isMatch: false,
    want: "mail address is not of ada@example.test",
  },
  { condition: { kind: "email", email: "@example.test" }, isMatch: true, want: "mail address is of @example.test" },
  {
    condition: { kind: "email", email: "@example.test" },
    changes: { email: "" },
    isMatch: false,
    want: "mail address is not of @example.test",
  },
  {
    condition: { kind: "size", unitsMin: 12, linesMin: 0 },
    isMatch: true,
    want: "12 units in 3 lines, 12 units or more",
  },
  {
    condition: { kind: "size", unitsMin: 12, linesMin: 4 },
    isMatch: false,
    want: "12 units in 3 lines, less than 12 units and 4 lines",
  },
  { condition: { kind: "list", listId: "lst_known" }, isMatch: true, want: "in list lst_known" },
  { condition: { kind: "list", listId: "lst_other" }, isMatch: false, want: "not in list lst_other" },
];

test.each(cases)("$condition: $want", ({ condition, changes, want, isMatch }) => {
  expect(look(condition, { ...order, ...changes }, nothing)).toEqual({ isMatch, saw: want });
});

test("several conditions match together or not at all, and what is missing is told", () => {
  const [large, abroad]: SimpleCondition[] = [
    { kind: "size", unitsMin: 10, linesMin: 0 },
    { kind: "country", countryCodes: ["GB"] },
  ];
  const all: Condition = { kind: "all", conditions: [large!, abroad!] };
  expect(look(all, order, nothing)).toEqual({ isMatch: true, saw: "12 units in 3 lines, 10 units or more and goes to GB" });
  expect(look(all, { ...order, countryCode: "FR" }, nothing)).toEqual({
    isMatch: false,
    saw: "goes to FR, which is not asked for",
  });
});

describe("forms", () => {
  test.each([
    ["  Ada.Lovelace+Shop@Example.TEST ", "ada.lovelace+shop@example.test"],
    ["", ""],
  ])("mail %j is compared as %j", (text, want) => {
    expect(emailForm(text)).toBe(want);
  });

  test("a postal code is the same with and without spaces and hyphens", () => {
    expect(["sw1a 1aa", "SW1A-1AA", "SW1A1AA"].map(postalCodeForm)).toEqual(["SW1A1AA", "SW1A1AA", "SW1A1AA"]);
  });

  test("an address is the same however it is written, and another where a house or a town is another", () => {
    const home = { lines: ["12 Grand Rue", "Bât. B"], city: "Paris", postalCode: "75001", region: "", countryCode: "FR" };
    const written = { ...home, lines: ["12, GRAND RUE, Ba\u0302t B"], city: "PARIS " };
    expect(addressForm(written)).toBe(addressForm(home));
    for (const other of [{ lines: ["13 Grand Rue", "Bât. B"] }, { city: "Lyon" }, { countryCode: "BE" }]) {
      expect(addressForm({ ...home, ...other })).not.toBe(addressForm(home));
    }
  });

  test.each([
    { kind: "BIN", text: " 4242 ", want: { kind: "entry", value: "4242" } },
    { kind: "BIN", text: "42-42", want: { kind: "invalid", why: "give 1 to 8 digits" } },
    { kind: "EMAIL", text: "Ada@Example.test", want: { kind: "entry", value: "ada@example.test" } },
    { kind: "EMAIL", text: "@Example.test", want: { kind: "entry", value: "@example.test" } },
    { kind: "EMAIL", text: "ada", want: { kind: "invalid", why: 'give an address of mail, or "@" and a domain' } },
    { kind: "ADDRESS", text: "a1", want: { kind: "invalid", why: "give the address_hash of an assessment's facts" } },
    { kind: "DEVICE", text: "Laptop 7", want: { kind: "entry", value: "Laptop 7" } },
    { kind: "CUSTOMER", text: "a b", want: { kind: "invalid", why: "give the id of a customer" } },
  ] as const)("$text in a list of kind $kind", ({ kind, text, want }) => {
    expect(entryForm(kind, text)).toEqual(want);
  });

  test("an order is in a list by any first digits of its card, and by its mail or the domain of it", () => {
    expect(entriesFor("BIN", order)).toEqual(["4", "42", "424", "4242", "42424", "424242", "4242421", "42424212"]);
    expect(entriesFor("EMAIL", order)).toEqual(["ada+shop@example.test", "@example.test"]);
    expect(entriesFor("EMAIL", { ...order, email: "" })).toEqual([]);
    expect(entriesFor("CUSTOMER", order)).toEqual(["ada"]);
  });
});

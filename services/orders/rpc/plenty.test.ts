import { expect, test } from "vitest";
import { createPlenty, plentyFrom, plentyMs, wantedMs } from "./plenty.ts";

const tenant = "demo";
const one = (sku: string, quantity = 1) => [{ sku, quantity }];

test("what was answered to be plenty need not be asked for, for a moment from the question on", () => {
  const plenty = createPlenty();
  expect(plenty.covers(tenant, one("A"), 0)).toBe(false);
  plenty.learn(tenant, new Map([["A", plentyFrom]]), 100);
  expect(plenty.covers(tenant, one("A"), 100 + plentyMs - 1)).toBe(true);
  expect(plenty.covers(tenant, one("A"), 100 + plentyMs)).toBe(false);
});

test("what is less than plenty is asked for each time, and so is what was not asked for", () => {
  const plenty = createPlenty();
  plenty.learn(tenant, new Map([["A", plentyFrom - 1], ["B", plentyFrom]]), 0); // prettier-ignore
  expect(plenty.covers(tenant, one("A"), 1)).toBe(false);
  expect(plenty.covers(tenant, one("C"), 1)).toBe(false);
  expect(plenty.covers(tenant, [...one("B"), ...one("A")], 1)).toBe(false);
  expect(plenty.covers(tenant, one("B"), 1)).toBe(true);
});

test("no more than a hundredth is accepted unasked, also where an order wants it in several lines", () => {
  const plenty = createPlenty();
  const answer = new Map([["A", 1_000]]);
  plenty.learn(tenant, answer, 0);
  expect(plenty.covers(tenant, one("A", 11), 1)).toBe(false);
  plenty.learn(tenant, answer, 0);
  expect(plenty.covers(tenant, [...one("A", 6), ...one("A", 6)], 1)).toBe(false);
  plenty.learn(tenant, answer, 0);
  expect([4, 4, 2, 1].map((quantity) => plenty.covers(tenant, one("A", quantity), 1))).toEqual([true, true, true, false]);
});

test("an answer that is not plenty any more ends it", () => {
  const plenty = createPlenty();
  plenty.learn(tenant, new Map([["A", plentyFrom]]), 0);
  plenty.learn(tenant, new Map([["A", 3]]), 1);
  expect(plenty.covers(tenant, one("A"), 2)).toBe(false);
});

test("what is soon old and was wanted lately is renewed with the next question, and nothing else", () => {
  const plenty = createPlenty();
  const answer = new Map([["A", plentyFrom], ["B", plentyFrom]]); // prettier-ignore
  plenty.learn(tenant, answer, 0);
  expect(plenty.renewals(tenant, 2)).toEqual([]);
  expect(plenty.renewals(tenant, plentyMs - 1)).toEqual(["B", "A"]);
  expect(plenty.renewals("another", plentyMs - 1)).toEqual([]);
  plenty.learn(tenant, answer, plentyMs - 1);
  expect(plenty.renewals(tenant, plentyMs)).toEqual([]);
  expect(plenty.covers(tenant, one("B"), plentyMs)).toBe(true);
  // To be renewed is not to be wanted.
  plenty.learn(tenant, answer, wantedMs - 1);
  expect(plenty.renewals(tenant, wantedMs + plentyMs - 1)).toEqual(["B"]);
});

test("a tenant's stock is its own", () => {
  const plenty = createPlenty();
  plenty.learn(tenant, new Map([["A", plentyFrom]]), 0);
  expect(plenty.covers("another", one("A"), 1)).toBe(false);
});

import { expect, test } from "vitest";
import { accessTokenMs, isRotationDue, keyLifeMs, planNextKey, publishedKeys, publishLeadMs, signingKey } from "./keys.ts";

const start = Date.parse("2026-03-01T08:00:00Z");
const at = (ms: number): Date => new Date(start + ms);
const key = (keyId: string, ms: number) => ({ keyId, signTime: at(ms) });
const idsOf = (keys: readonly { keyId: string }[]): string[] => keys.map(({ keyId }) => keyId);

test("the first key signs at once, the next one after it was read everywhere", () => {
  expect(planNextKey([], at(0))).toEqual({ kind: "make", signTime: at(0) });
  const first = key("first", 0);
  expect(planNextKey([first], at(5_000))).toEqual({ kind: "make", signTime: at(5_000 + publishLeadMs) });
});

test("while a key is on its way there is no other", () => {
  const [first, second] = [key("first", 0), key("second", publishLeadMs)];
  expect(planNextKey([first, second], at(publishLeadMs - 1))).toEqual({ kind: "on_its_way", key: second });
  expect(planNextKey([first, second], at(publishLeadMs))).toMatchObject({ kind: "make" });
});

test("the old key signs until the new one does, and is published until its last token has ended", () => {
  const keys = [key("first", -1_000_000), key("second", 0)];
  expect(signingKey(keys, at(-1))?.keyId).toBe("first");
  expect(signingKey(keys, at(0))?.keyId).toBe("second");
  expect(idsOf(publishedKeys(keys, at(-1)))).toEqual(["second", "first"]);
  // Its last token was given a moment before the second key's first.
  expect(idsOf(publishedKeys(keys, at(accessTokenMs)))).toEqual(["second", "first"]);
  expect(idsOf(publishedKeys(keys, at(accessTokenMs + 60_000)))).toEqual(["second"]);
});

test("nothing signs before the first key does", () => {
  expect(signingKey([key("first", 1)], at(0))).toBeUndefined();
});

test("a key that has signed for a month is followed by another, once", () => {
  const first = key("first", 0);
  expect(isRotationDue([], at(0))).toBe(false);
  expect(isRotationDue([first], at(keyLifeMs - 1))).toBe(false);
  expect(isRotationDue([first], at(keyLifeMs))).toBe(true);
  expect(isRotationDue([first, key("second", keyLifeMs + publishLeadMs)], at(keyLifeMs + 1))).toBe(false);
});

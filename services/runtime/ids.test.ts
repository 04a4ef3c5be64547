// What is made here is read by the library of the standard.
import { TypeID } from "typeid-js";
import { afterEach, expect, test, vi } from "vitest";
import { newId, timeOfId } from "./ids.ts";

afterEach(() => vi.useRealTimers());

test("the library reads every id as a UUID of version 7 of the time at which it was made, and writes it the same", () => {
  for (let made = 0; made < 2_000; made += 1) {
    const before = Date.now();
    const id = newId("ord");
    const typeId = TypeID.fromString(id, "ord");
    expect(typeId.toUUID()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(TypeID.fromUUID("ord", typeId.toUUID()).toString()).toBe(id);
    expect(timeOfId(id)).toBeGreaterThanOrEqual(before);
    expect(timeOfId(id)).toBeLessThanOrEqual(Date.now());
  }
});

test("ids ascend, within a millisecond and where the clock goes back", () => {
  vi.useFakeTimers({ now: Date.now() + 1_000 });
  const first = Array.from({ length: 10_000 }, () => newId("evt"));
  vi.setSystemTime(Date.now() - 60_000);
  const later = Array.from({ length: 10_000 }, () => newId("evt"));
  const ids = [...first, ...later];
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});

test("no two have the same random end", () => {
  const ends = Array.from({ length: 10_000 }, () => newId("evt").slice(-8));
  expect(new Set(ends).size).toBe(ends.length);
});

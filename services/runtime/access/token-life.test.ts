// Whoever has opened something with a token hears when it ends, once, and leaves nothing behind.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { systemClock } from "../clock.ts";
import { reasonOf } from "../errors.ts";
import { serviceCaller, type Caller } from "./caller.ts";
import { createRevoked } from "./revoked.ts";
import { clockToleranceSeconds, createFollowToken } from "./token-life.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const lifeMs = 600_000;

function following() {
  const revoked = createRevoked(systemClock);
  const follow = createFollowToken({ revoked, clock: systemClock });
  const ends: (string | undefined)[] = [];
  const caller = (change: Partial<Caller> = {}): Caller => ({
    ...serviceCaller("demo"),
    tokenId: "tok_1",
    sessionId: "ses_1",
    endMs: Date.now() + lifeMs,
    ...change,
  });
  const hear = (change: Partial<Caller> = {}) => follow(caller(change), (refusal) => ends.push(reasonOf(refusal)));
  return { revoked, hear, ends };
}

test("the end of its time is told when a new call would be told so, and no earlier", () => {
  const { hear, ends } = following();
  hear();
  vi.advanceTimersByTime(lifeMs + clockToleranceSeconds * 1_000 - 1);
  expect(ends).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(ends).toEqual(["TOKEN_EXPIRED"]);
});

test.each(["tok_1", "ses_1"])("the revocation of %s is told at once and once", (id) => {
  const { revoked, hear, ends } = following();
  hear();
  revoked.add("tok_2", Date.now() + lifeMs);
  expect(ends).toEqual([]);
  revoked.add(id, Date.now() + lifeMs);
  revoked.add("tok_1", Date.now() + lifeMs);
  vi.advanceTimersByTime(2 * lifeMs);
  expect(ends).toEqual(["TOKEN_REVOKED"]);
});

test("the revocation of all tokens of a shop is told to those that were issued before it", () => {
  const { revoked, hear, ends } = following();
  const nowMs = Date.now();
  hear({ tenant: "other", issueMs: nowMs, roles: ["operator"] });
  hear({ issueMs: nowMs + 1, roles: ["operator"] });
  hear({ issueMs: nowMs });
  revoked.addTenant("demo", { issuedUntilMs: nowMs, endMs: nowMs + lifeMs });
  // Another shop's, one that is newer, and a service's, which finishes what is under way.
  expect(ends).toEqual([]);
  hear({ issueMs: nowMs + 1, roles: ["operator"], tokenId: "tok_2" });
  revoked.addTenant("demo", { issuedUntilMs: nowMs + 1, endMs: nowMs + lifeMs });
  expect(ends).toEqual(["TOKEN_REVOKED", "TOKEN_REVOKED"]);
});

test("what has ended already is not followed", () => {
  const { revoked, hear } = following();
  revoked.add("tok_1", Date.now() + lifeMs);
  expect(() => hear()).toThrow("revoked");
  expect(() => hear({ tokenId: "tok_2", sessionId: "ses_2", endMs: Date.now() - lifeMs })).toThrow("expired");
  expect([vi.getTimerCount(), revoked.heard()]).toEqual([0, 0]);
});

test("hundreds leave neither a timer nor a listener, whether they go by themselves or are ended", () => {
  const { revoked, hear, ends } = following();
  const stops = Array.from({ length: 400 }, (_, each) => hear({ tokenId: `tok_${each % 10}` }));
  expect([vi.getTimerCount(), revoked.heard()]).toEqual([400, 12]);
  for (const stop of stops.slice(0, 200)) stop();
  expect([vi.getTimerCount(), revoked.heard()]).toEqual([200, 12]);
  revoked.add("ses_1", Date.now() + lifeMs);
  expect([vi.getTimerCount(), revoked.heard(), ends.length]).toEqual([0, 0, 200]);
});

test("a service of this process has no end and no timer", () => {
  const { hear } = following();
  hear({ endMs: serviceCaller("demo").endMs });
  expect(vi.getTimerCount()).toBe(0);
});

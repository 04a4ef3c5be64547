// What is granted, who may ask for what, and how long an account is locked.
import { expect, test } from "vitest";
import { normalLogin, normalPassword } from "./account.ts";
import { isReservedClientId, maySee, tenantFor, type Client } from "./client.ts";
import { attempt, type Attempts } from "./lock-out.ts";
import { grantScopes } from "./scopes.ts";

const start = Date.parse("2026-03-01T08:00:00Z");
const at = (ms: number): Date => new Date(start + ms);

test.each([
  { asked: "", want: ["a", "b"] },
  { asked: "b", want: ["b"] },
  { asked: "b a b", want: ["b", "a"] },
  { asked: "c", want: undefined },
  { asked: "a c", want: undefined },
  { asked: "a  b", want: undefined },
  { asked: " a", want: undefined },
  { asked: "A", want: undefined },
])("of the scopes a and b, “$asked” gets $want", ({ asked, want }) => {
  expect(grantScopes(asked, ["a", "b"])).toEqual(want);
});

const client = (roles: Client["roles"], tenant: string): Client => ({
  clientId: "c",
  title: "",
  tenant,
  isPublic: false,
  roles,
  scopes: [],
  rateLimit: null,
  createTime: at(0),
});

test("only a service acts for other tenants, or for none", () => {
  const service = client(["service"], "");
  const operator = client(["operator"], "one");
  expect([tenantFor(service, ""), tenantFor(service, "two")]).toEqual(["", "two"]);
  expect([tenantFor(operator, ""), tenantFor(operator, "one"), tenantFor(operator, "two")]).toEqual(["one", "one", undefined]);
  expect([maySee(service, "two"), maySee(operator, "one"), maySee(operator, "two"), maySee(operator, "")]).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

test("nobody else may be called as a service or as the first operator", () => {
  expect(["orders", "edge", "operator", "shop"].map(isReservedClientId)).toEqual([true, true, true, false]);
});

function failing(times: number, from: Attempts, now: Date): Attempts {
  let attempts = from;
  for (let count = 0; count < times; count += 1) {
    const outcome = attempt(attempts, now);
    if (outcome.kind === "locked") throw new Error(`locked after ${count}`);
    ({ attempts } = outcome);
  }
  return attempts;
}

const none: Attempts = { failures: 0, lastTime: at(0), lockedUntil: at(0) };

test("ten attempts are free; then each waits twice as long as the one before, a quarter of an hour at most", () => {
  let attempts = failing(10, none, at(0));
  const waits: number[] = [];
  let now = 0;
  for (let count = 0; count < 8; count += 1) {
    const locked = attempt(attempts, at(now));
    if (locked.kind !== "locked") throw new Error("it is not locked");
    waits.push(locked.retryMs);
    now += locked.retryMs;
    attempts = failing(1, attempts, at(now));
  }
  expect(waits.map((ms) => ms / 1_000)).toEqual([30, 60, 120, 240, 480, 900, 900, 900]);
});

test("a lock that is on is not made longer by those who try", () => {
  const attempts = failing(10, none, at(0));
  expect(attempt(attempts, at(29_999))).toEqual({ kind: "locked", retryMs: 1 });
  expect(attempt(attempts, at(30_000)).kind).toBe("allowed");
});

test("a day without an attempt forgets them", () => {
  const attempts = failing(10, none, at(0));
  const outcome = attempt(attempts, at(24 * 3_600_000 + 1));
  expect(outcome).toMatchObject({ kind: "allowed", attempts: { failures: 1 } });
});

test("logins are the same in any case, and passwords on any keyboard", () => {
  expect(normalLogin(" Ada@Example.TEST ")).toBe("ada@example.test");
  expect(normalPassword("Ko\u0308ln")).toBe(normalPassword("K\u00f6ln"));
  expect(normalPassword("Secret ")).toBe("Secret ");
});

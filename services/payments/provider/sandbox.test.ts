// The sandbox behaves as a provider must: one key is one operation, and its own books never go below zero.
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { paymentsFixture, type PaymentsFixture } from "./books.fixture.ts";
import { ProviderRefused, ProviderUnavailable, type PaymentProvider } from "./contract.ts";
import { sandboxProvider } from "./sandbox.ts";
import { withTimeout } from "./timeout.ts";

let fixture: PaymentsFixture;
let provider: PaymentProvider;
beforeAll(async () => {
  fixture = await paymentsFixture();
  provider = sandboxProvider(fixture.runtime.db, { delayMs: 1 })("demo");
});
afterAll(() => fixture.close());

const amount = { currencyCode: "EUR", minorUnits: 1_000 };
const many = <Answer>(call: () => Promise<Answer>) => Promise.all(Array.from({ length: 20 }, call));

async function charge(name: string, token = "tok_success"): Promise<string> {
  const answer = await provider.authorize({ idempotencyKey: `${name}:authorize`, amount, token });
  if (answer.kind !== "authorized") throw new Error(`not authorised: ${answer.code}`);
  return answer.reference;
}

const countCharges = async () => {
  const { rows } = await sql<{ count: number }>`select count(*) as count from sandbox_charge`.execute(fixture.runtime.db);
  return rows[0]?.count ?? 0;
};

test("twenty repeats of an authorisation at the same time are one hold", async () => {
  const before = await countCharges();
  const references = await many(() => charge("same"));
  expect(new Set(references).size).toBe(1);
  expect((await countCharges()) - before).toBe(1);
});

test("tok_flaky holds the money before it fails, and the repeat gives the first answer", async () => {
  await expect(charge("flaky", "tok_flaky")).rejects.toThrow(ProviderUnavailable);
  const found = await provider.lookup("flaky:authorize");
  expect(found).toMatchObject({ kind: "authorized" });
  expect(await charge("flaky", "tok_flaky")).toBe(found?.kind === "authorized" ? found.reference : "");
});

test("tok_error fails every call under its key, lookups too", async () => {
  await expect(charge("error", "tok_error")).rejects.toThrow(ProviderUnavailable);
  await expect(charge("error", "tok_error")).rejects.toThrow(ProviderUnavailable);
  await expect(provider.lookup("error:authorize")).rejects.toThrow(ProviderUnavailable);
});

test("a key that was never used is unknown, and tenants do not see each other's", async () => {
  await charge("mine");
  expect(await provider.lookup("nobody:authorize")).toBeUndefined();
  expect(await sandboxProvider(fixture.runtime.db, { delayMs: 1 })("other").lookup("mine:authorize")).toBeUndefined();
});

test("a key that comes back with other content is refused", async () => {
  await charge("content");
  const other = { idempotencyKey: "content:authorize", amount: { ...amount, minorUnits: 1 }, token: "tok_success" };
  await expect(provider.authorize(other)).rejects.toThrow(ProviderRefused);
});

test("an answer that takes longer than the timeout leaves the outcome unknown, and it can be found", async () => {
  const slow = withTimeout(sandboxProvider(fixture.runtime.db, { delayMs: 60_000 }), 100)("demo");
  const request = { idempotencyKey: "slow:authorize", amount, token: "tok_delay" };
  await expect(slow.authorize(request)).rejects.toThrow("no answer within 100 ms");
  expect(await slow.lookup("slow:authorize")).toMatchObject({ kind: "authorized" });
});

describe("its books are shown", () => {
  test("a statement has the sums of each hold, and leaves out what it does not know", async () => {
    const taken = await charge("shown-taken");
    await provider.capture({ idempotencyKey: "shown-taken:capture", reference: taken, amount });
    await provider.refund({ idempotencyKey: "shown-taken:refund", reference: taken, amount: { ...amount, minorUnits: 300 } });
    const voided = await charge("shown-voided");
    await provider.void({ idempotencyKey: "shown-voided:void", reference: voided });
    const statements = await provider.statement([taken, voided, "sbx_unknown"]);
    expect(Object.fromEntries(statements)).toEqual({
      [taken]: { currencyCode: "EUR", authorized: 1_000, voided: 0, captured: 1_000, refunded: 300 },
      [voided]: { currencyCode: "EUR", authorized: 1_000, voided: 1_000, captured: 0, refunded: 0 },
    });
  });

  test("charges are listed page by page, newest first, with their keys, and only since the given time", async () => {
    const made: string[] = [];
    for (const name of ["listed-1", "listed-2", "listed-3"]) made.push(await charge(name));
    const listed: { reference: string; idempotencyKey: string }[] = [];
    let after: string | undefined;
    do {
      const page = await provider.listCharges?.({ since: new Date(0), after, rowsMax: 2 });
      expect(page?.charges.length).toBeLessThanOrEqual(2);
      listed.push(...(page?.charges ?? []));
      after = page?.nextAfter;
    } while (after !== undefined);
    expect(listed).toHaveLength(await countCharges());
    expect(new Set(listed.map(({ reference }) => reference)).size).toBe(listed.length);
    expect(listed.slice(0, 3).map(({ reference }) => reference)).toEqual(made.toReversed());
    expect(listed[0]?.idempotencyKey).toBe("listed-3:authorize");
    const later = new Date(Date.now() + 60_000);
    expect(await provider.listCharges?.({ since: later, after: undefined, rowsMax: 2 })).toEqual({
      charges: [],
      nextAfter: undefined,
    });
  });
});

describe("held money goes one way, once", () => {
  test("it is taken once, by whatever key", async () => {
    const reference = await charge("taken");
    const references = await many(() => provider.capture({ idempotencyKey: "taken:capture", reference, amount }));
    expect(new Set(references.map((done) => done.reference)).size).toBe(1);
    const again = provider.capture({ idempotencyKey: "taken:capture-again", reference, amount });
    await expect(again).rejects.toMatchObject({ code: "not_capturable" });
  });

  test("what was taken is not voided, and what was voided is not taken", async () => {
    const taken = await charge("first-taken");
    await provider.capture({ idempotencyKey: "first-taken:capture", reference: taken, amount });
    const late = provider.void({ idempotencyKey: "first-taken:void", reference: taken });
    await expect(late).rejects.toMatchObject({ code: "not_voidable" });
    const voided = await charge("first-voided");
    await provider.void({ idempotencyKey: "first-voided:void", reference: voided });
    const capture = provider.capture({ idempotencyKey: "first-voided:capture", reference: voided, amount });
    await expect(capture).rejects.toMatchObject({ code: "not_capturable" });
  });

  test("refunds end where the capture does, also at the same time", async () => {
    const reference = await charge("refunded");
    await provider.capture({ idempotencyKey: "refunded:capture", reference, amount });
    const refunds = Array.from({ length: 20 }, (_, index) =>
      provider.refund({ idempotencyKey: `refunded:refund:${index}`, reference, amount: { ...amount, minorUnits: 300 } }),
    );
    const results = await Promise.allSettled(refunds);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
  });
});

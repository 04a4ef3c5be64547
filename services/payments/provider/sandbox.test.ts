// What the sandbox's tokens play. What it has to do as every provider does is asked of it in provider.test.ts.
import { afterAll, beforeAll, expect, test } from "vitest";
import { paymentsFixture, type PaymentsFixture } from "./books.fixture.ts";
import { ProviderUnavailable, type PaymentProvider } from "./contract.ts";
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

async function charge(name: string, token = "tok_success"): Promise<string> {
  const answer = await provider.authorize({ idempotencyKey: `${name}:authorize`, amount, token });
  if (answer.kind !== "authorized") throw new Error(`not authorised: ${answer.kind}`);
  return answer.reference;
}

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

test("an answer that takes longer than the timeout leaves the outcome unknown, and it can be found", async () => {
  const slow = withTimeout(sandboxProvider(fixture.runtime.db, { delayMs: 60_000 }), 100)("demo");
  const request = { idempotencyKey: "slow:authorize", amount, token: "tok_delay" };
  await expect(slow.authorize(request)).rejects.toThrow("no answer within 100 ms");
  expect(await slow.lookup("slow:authorize")).toMatchObject({ kind: "authorized" });
});

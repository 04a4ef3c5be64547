// What every provider must do, asked of each: one key is one operation, held money goes one way once, and the books are shown.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startStripe } from "../../../test/support/stripe.ts";
import { paymentsFixture } from "./books.fixture.ts";
import { ProviderRefused, type PaymentProvider, type ProviderOf } from "./contract.ts";
import { answerChallenge } from "./sandbox-challenges.ts";
import { sandboxProvider } from "./sandbox.ts";
import { stripeProvider } from "./stripe.ts";

interface Started {
  providerOf: ProviderOf;
  /** The buyer answers its bank. */
  answer(clientSecret: string, approves: boolean): Promise<unknown>;
  close(): Promise<void>;
}

const providers = [
  {
    name: "sandbox",
    tokens: { good: "tok_success", declined: "tok_declined", noFunds: "tok_insufficient_funds", acts: "tok_3ds" },
    start: async (): Promise<Started> => {
      const fixture = await paymentsFixture();
      const { db } = fixture.runtime;
      return {
        providerOf: sandboxProvider(db, { delayMs: 1 }),
        answer: (clientSecret, approved) => answerChallenge(db, { tenant: "demo", clientSecret, approved }),
        close: fixture.close,
      };
    },
  },
  {
    name: "stripe",
    tokens: {
      good: "pm_card_visa",
      declined: "pm_card_chargeDeclined",
      noFunds: "pm_card_chargeDeclinedInsufficientFunds",
      acts: "pm_card_authenticationRequired",
    },
    start: async (): Promise<Started> => {
      const keys = new Map([
        ["demo", "sk_test_one"],
        ["other", "sk_test_other"],
      ]);
      const [own, others] = await Promise.all([...keys.values()].map((key) => startStripe({ keys: [key] })));
      const at = (url: string | undefined) =>
        stripeProvider({ keys, url: new URL(url ?? ""), timeoutMs: 5_000, webhookSecrets: new Map() });
      // Accounts share nothing, so each is a server of its own.
      const [ofOwn, ofOthers] = [at(own?.url), at(others?.url)];
      return {
        providerOf: (tenant) => (tenant === "demo" ? ofOwn : ofOthers)(tenant),
        answer: (clientSecret, approves) => Promise.try(() => own?.authenticate(clientSecret, approves)),
        close: async () => void (await Promise.all([own?.close(), others?.close()])),
      };
    },
  },
];

describe.each(providers)("$name", ({ tokens, start }) => {
  let started: Started;
  let provider: PaymentProvider;
  beforeAll(async () => {
    started = await start();
    provider = started.providerOf("demo");
  });
  afterAll(() => started.close());

  const amount = { currencyCode: "EUR", minorUnits: 1_000 };
  const many = <Answer>(call: () => Promise<Answer>) => Promise.all(Array.from({ length: 20 }, call));

  async function hold(name: string): Promise<string> {
    const answer = await provider.authorize({ idempotencyKey: `${name}:authorize`, amount, token: tokens.good });
    if (answer.kind !== "authorized") throw new Error(`not authorised: ${answer.kind}`);
    return answer.reference;
  }

  async function listAll(since = new Date(0)): Promise<{ reference: string; idempotencyKey: string }[]> {
    const listed: { reference: string; idempotencyKey: string }[] = [];
    let after: string | undefined;
    do {
      const page = await provider.listCharges?.({ since, after, rowsMax: 2 });
      expect(page?.charges.length).toBeLessThanOrEqual(2);
      listed.push(...(page?.charges ?? []));
      after = page?.nextAfter;
    } while (after !== undefined);
    return listed;
  }

  test("twenty repeats of an authorisation at the same time are one hold, which its key finds", async () => {
    const before = (await listAll()).length;
    const references = new Set(await many(() => hold("same")));
    expect(references.size).toBe(1);
    expect((await listAll()).length - before).toBe(1);
    expect(await provider.lookup("same:authorize")).toEqual({ kind: "authorized", reference: [...references][0] });
  });

  test.each([
    { token: tokens.declined, code: "card_declined" },
    { token: tokens.noFunds, code: "insufficient_funds" },
  ])("$token: declined, $code, also when it is looked up, and nothing is held", async ({ token, code }) => {
    const before = (await listAll()).length;
    const idempotencyKey = `${code}:authorize`;
    expect(await provider.authorize({ idempotencyKey, amount, token })).toEqual({ kind: "declined", code });
    expect(await provider.authorize({ idempotencyKey, amount, token })).toEqual({ kind: "declined", code });
    expect(await provider.lookup(idempotencyKey)).toEqual({ kind: "declined", code });
    expect(await listAll()).toHaveLength(before);
  });

  test("a token that is none is declined as such", async () => {
    const asked = provider.authorize({ idempotencyKey: "none:authorize", amount, token: "no_such_token" });
    expect(await asked).toEqual({ kind: "declined", code: "invalid_token" });
  });

  test("a key that was never used is unknown, and tenants do not see each other's", async () => {
    const reference = await hold("mine");
    expect(await provider.lookup("nobody:authorize")).toBeUndefined();
    const other = started.providerOf("other");
    expect(await other.lookup("mine:authorize")).toBeUndefined();
    expect(await other.statement([reference])).toEqual(new Map());
    await expect(other.capture({ idempotencyKey: "mine:capture", reference, amount, isFinal: true })).rejects.toThrow(
      ProviderRefused,
    );
  });

  test("a key that comes back with other content is refused", async () => {
    await hold("content");
    const other = { idempotencyKey: "content:authorize", amount: { ...amount, minorUnits: 1 }, token: tokens.good };
    await expect(provider.authorize(other)).rejects.toMatchObject({ code: "idempotency_key_reused" });
  });

  test("held money is taken once, by whatever key", async () => {
    const reference = await hold("taken");
    const references = await many(() => provider.capture({ idempotencyKey: "taken:capture", reference, amount, isFinal: true }));
    expect(new Set(references.map((done) => done.reference)).size).toBe(1);
    const again = provider.capture({ idempotencyKey: "taken:capture-again", reference, amount, isFinal: true });
    await expect(again).rejects.toMatchObject({ code: "not_capturable" });
  });

  test("what was taken is not voided, and what was voided is not taken", async () => {
    const taken = await hold("first-taken");
    await provider.capture({ idempotencyKey: "first-taken:capture", reference: taken, amount, isFinal: true });
    const late = provider.void({ idempotencyKey: "first-taken:void", reference: taken });
    await expect(late).rejects.toMatchObject({ code: "not_voidable" });
    const voided = await hold("first-voided");
    await provider.void({ idempotencyKey: "first-voided:void", reference: voided });
    const capture = provider.capture({ idempotencyKey: "first-voided:capture", reference: voided, amount, isFinal: true });
    await expect(capture).rejects.toMatchObject({ code: "not_capturable" });
  });

  test("less than is held can be taken: the rest is given back with it, and refunds end at what was taken", async () => {
    const reference = await hold("less");
    const less = { ...amount, minorUnits: 700 };
    const capture = (idempotencyKey: string) => provider.capture({ idempotencyKey, reference, amount: less, isFinal: true });
    await many(() => capture("less:capture"));
    const sums = { currencyCode: "EUR", authorized: 1_000, voided: 300, captured: 700, refunded: 0 };
    expect((await provider.statement([reference])).get(reference)).toEqual(sums);
    await expect(capture("less:capture-again")).rejects.toMatchObject({ code: "not_capturable" });
    const refund = (idempotencyKey: string, minorUnits: number) =>
      provider.refund({ idempotencyKey, reference, amount: { ...amount, minorUnits } });
    await expect(refund("less:refund-more", 701)).rejects.toMatchObject({ code: "refund_exceeds_capture" });
    await refund("less:refund", 700);
    expect((await provider.statement([reference])).get(reference)).toEqual({ ...sums, refunded: 700 });
  });

  test("more than is held is not taken", async () => {
    const reference = await hold("more");
    const more = { idempotencyKey: "more:capture", reference, amount: { ...amount, minorUnits: 1_001 }, isFinal: true };
    await expect(provider.capture(more)).rejects.toThrow(ProviderRefused);
    expect((await provider.statement([reference])).get(reference)).toMatchObject({ captured: 0, voided: 0 });
  });

  test("where a hold is taken in parts, each key is one part, and the parts end where the hold does", async ({ skip }) => {
    skip(!provider.capturesInParts, "it takes once");
    const reference = await hold("parts");
    const part = (index: number) => {
      const request = { idempotencyKey: `parts:capture:${index}`, reference, amount: { ...amount, minorUnits: 300 } };
      return provider.capture({ ...request, isFinal: false });
    };
    const results = await Promise.allSettled([1, 1, 1, 2, 2, 3, 3, 4, 5].map(part));
    expect(results.filter(({ status }) => status === "rejected")).toHaveLength(2);
    const sums = { currencyCode: "EUR", authorized: 1_000, voided: 0, captured: 900, refunded: 0 };
    expect((await provider.statement([reference])).get(reference)).toEqual(sums);
    await many(() => provider.void({ idempotencyKey: "parts:void", reference }));
    expect((await provider.statement([reference])).get(reference)).toEqual({ ...sums, voided: 100 });
  });

  test("refunds end where the capture does, also at the same time", async () => {
    const reference = await hold("refunded");
    await provider.capture({ idempotencyKey: "refunded:capture", reference, amount, isFinal: true });
    const refunds = Array.from({ length: 20 }, (_, index) =>
      provider.refund({ idempotencyKey: `refunded:refund:${index}`, reference, amount: { ...amount, minorUnits: 300 } }),
    );
    const results = await Promise.allSettled(refunds);
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
    for (const { reason } of results.filter((result) => result.status === "rejected")) {
      expect(reason).toMatchObject({ code: "refund_exceeds_capture" });
    }
  });

  describe("a buyer that has to act", () => {
    async function asked(name: string): Promise<{ reference: string; clientSecret: string }> {
      const answer = await provider.authorize({ idempotencyKey: `${name}:authorize`, amount, token: tokens.acts });
      if (answer.kind !== "action_required") throw new Error(`no action: ${answer.kind}`);
      return { reference: answer.reference, clientSecret: answer.action.clientSecret };
    }
    const sumsOf = async (reference: string) => (await provider.statement([reference])).get(reference);
    const nothing = { currencyCode: "EUR", authorized: 0, voided: 0, captured: 0, refunded: 0 };

    test("nothing is held before it has, and twenty repeats are one question with one secret", async () => {
      const before = (await listAll()).length;
      const questions = await many(() => asked("acts"));
      expect(new Set(questions.map(({ clientSecret }) => clientSecret)).size).toBe(1);
      const { reference, clientSecret } = await asked("acts");
      const found = await provider.lookup("acts:authorize", reference);
      expect(found).toEqual({ kind: "action_required", reference, action: { clientSecret, redirectUrl: "" } });
      expect(await sumsOf(reference)).toEqual(nothing);
      expect(await listAll()).toHaveLength(before);
    });

    test("once it has, the money is held under the same reference and can be taken", async () => {
      const { reference, clientSecret } = await asked("proved");
      await started.answer(clientSecret, true);
      expect(await provider.lookup("proved:authorize", reference)).toEqual({ kind: "authorized", reference });
      await provider.capture({ idempotencyKey: "proved:capture", reference, amount, isFinal: true });
      expect(await sumsOf(reference)).toEqual({ ...nothing, authorized: 1_000, captured: 1_000 });
    });

    test("one that fails is declined, and once that is given up nobody can go on with it", async () => {
      const { reference, clientSecret } = await asked("failed");
      await started.answer(clientSecret, false);
      const declined = { kind: "declined", code: "authentication_failed" };
      expect(await provider.lookup("failed:authorize", reference)).toEqual(declined);
      await many(() => provider.void({ idempotencyKey: "failed:void", reference }));
      await started.answer(clientSecret, true).catch(() => {});
      expect((await provider.lookup("failed:authorize", reference))?.kind).toBe("declined");
      expect(await sumsOf(reference)).toEqual(nothing);
    });

    test.each(["the buyer first", "the end first", "both at once"])(
      "given up while it acts, %s: nothing stays held",
      async (who) => {
        const { reference, clientSecret } = await asked(who);
        const acts = () => started.answer(clientSecret, true).catch(() => {});
        const ends = () => provider.void({ idempotencyKey: `${who}:void`, reference });
        if (who === "the buyer first") await acts();
        if (who === "both at once") await Promise.all([acts(), ends()]);
        await ends();
        if (who === "the end first") await acts();
        const { authorized = 0, voided = -1 } = (await sumsOf(reference)) ?? {};
        expect(authorized - voided).toBe(0);
      },
    );
  });

  test("a statement has the sums of each hold, and leaves out what it does not know", async () => {
    const taken = await hold("shown-taken");
    await provider.capture({ idempotencyKey: "shown-taken:capture", reference: taken, amount, isFinal: true });
    await provider.refund({ idempotencyKey: "shown-taken:refund", reference: taken, amount: { ...amount, minorUnits: 300 } });
    const voided = await hold("shown-voided");
    await provider.void({ idempotencyKey: "shown-voided:void", reference: voided });
    const held = await hold("shown-held");
    const statements = await provider.statement([taken, voided, held, "pi_unknown"]);
    expect(Object.fromEntries(statements)).toEqual({
      [taken]: { currencyCode: "EUR", authorized: 1_000, voided: 0, captured: 1_000, refunded: 300 },
      [voided]: { currencyCode: "EUR", authorized: 1_000, voided: 1_000, captured: 0, refunded: 0 },
      [held]: { currencyCode: "EUR", authorized: 1_000, voided: 0, captured: 0, refunded: 0 },
    });
  });

  test("holds are listed page by page, newest first, with their keys, and only since the given time", async () => {
    const made: string[] = [];
    for (const name of ["listed-1", "listed-2", "listed-3"]) made.push(await hold(name));
    const listed = await listAll();
    expect(new Set(listed.map(({ reference }) => reference)).size).toBe(listed.length);
    expect(listed.slice(0, 3).map(({ reference }) => reference)).toEqual(made.toReversed());
    expect(listed[0]?.idempotencyKey).toBe("listed-3:authorize");
    expect(await listAll(new Date(Date.now() + 60_000))).toEqual([]);
  });
});

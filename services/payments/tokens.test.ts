// What each of the sandbox's tokens leads to, from the order's event to the books.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { PaymentState } from "#gen/ordermesh/payments/v1/payment_pb.ts";
import { paymentsWith } from "./main.ts";
import { paymentsFixture, type PaymentsFixture } from "./provider/books.fixture.ts";
import { ProviderUnavailable } from "./provider/contract.ts";
import { sandboxProvider } from "./provider/sandbox.ts";

let fixture: PaymentsFixture;
beforeAll(async () => {
  fixture = await paymentsFixture();
});
afterAll(() => fixture.close());

const paymentOf = async (orderId: string, of = fixture) => {
  const { payment } = await of.client(PaymentsService).getPayment({ orderId });
  if (!payment) throw new Error("no payment");
  return payment;
};

const consistent = async () => {
  const books = await fixture.books();
  expect(books.ledger).toEqual(books.payments);
  expect(books.provider).toEqual(books.payments);
};

test.each([
  { token: "tok_success", state: "AUTHORIZED", code: "", sent: ["PaymentAuthorized"] },
  { token: "tok_delay", state: "AUTHORIZED", code: "", sent: ["PaymentAuthorized"] },
  { token: "tok_flaky", state: "AUTHORIZED", code: "", sent: ["PaymentAuthorized"] },
  { token: "tok_declined", state: "DECLINED", code: "card_declined", sent: ["PaymentDeclined"] },
  { token: "tok_insufficient_funds", state: "DECLINED", code: "insufficient_funds", sent: ["PaymentDeclined"] },
  { token: "tok_never_heard_of", state: "DECLINED", code: "invalid_token", sent: ["PaymentDeclined"] },
] as const)("$token: $state $code", async ({ token, state, code, sent }) => {
  await fixture.askForPayment(`ord_${token}`, { token });
  await fixture.runDue();
  const payment = await paymentOf(`ord_${token}`);
  expect(payment).toMatchObject({ state: PaymentState[state], declineCode: code });
  expect(payment.ledger.map(({ amount }) => amount?.minorUnits)).toEqual(state === "AUTHORIZED" ? [5_000n] : []);
  expect(await fixture.sentFor(`ord_${token}`)).toEqual(sent);
  await consistent();
});

test.each([
  { currency: "JPY", amount: 1 },
  { currency: "EUR", amount: 1 },
  { currency: "USD", amount: 1_000_000_000_000 },
])("$amount minor units of $currency are held and taken to the unit", async ({ currency, amount }) => {
  const orderId = `ord_${currency}_${amount}`;
  await fixture.captureOrder(orderId, { currency, amount });
  expect((await paymentOf(orderId)).captured).toMatchObject({ currencyCode: currency, minorUnits: BigInt(amount) });
  await consistent();
});

test("tok_error: after four attempts the order is told, and the search goes on while a hold could exist", async () => {
  const fixture = await paymentsFixture();
  await fixture.askForPayment("ord_error", { token: "tok_error" });
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    await expect(fixture.runDue()).rejects.toThrow(ProviderUnavailable);
    expect((await paymentOf("ord_error", fixture)).state).toBe(PaymentState.PENDING);
  }
  await expect(fixture.runDue()).rejects.toThrow(ProviderUnavailable);
  const declined = { state: PaymentState.DECLINED, declineCode: "provider_unavailable" };
  expect(await paymentOf("ord_error", fixture)).toMatchObject(declined);
  expect(await fixture.sentFor("ord_error")).toEqual(["PaymentDeclined"]);
  expect(await fixture.dueLeft()).toEqual(["payments.settle"]);
  // No bank holds money for so long.
  fixture.advance(31 * 86_400_000);
  await fixture.runDue();
  expect(await fixture.dueLeft()).toEqual([]);
  await fixture.close();
});

describe("a provider that is away and back again", () => {
  /** The sandbox, whose answers are lost while the line is down. */
  const troubled = async () => {
    const line = { isDown: true, loseRequests: false, calls: [] as string[] };
    const definition = paymentsWith(({ db }) => {
      const sandboxOf = sandboxProvider(db, { delayMs: 0 });
      return (tenant) => {
        const sandbox = sandboxOf(tenant);
        const through = async <Answer>(name: string, call: () => Promise<Answer>): Promise<Answer> => {
          line.calls.push(name);
          const answer = line.loseRequests ? undefined : await call();
          if (line.isDown || answer === undefined) throw new ProviderUnavailable("the line is down");
          return answer;
        };
        return {
          name: sandbox.name,
          capturesInParts: sandbox.capturesInParts,
          authorize: (request) => through("authorize", () => sandbox.authorize(request)),
          capture: (request) => through("capture", () => sandbox.capture(request)),
          void: (request) => through("void", () => sandbox.void(request)),
          refund: (request) => through("refund", () => sandbox.refund(request)),
          lookup: async (key) => {
            line.calls.push("lookup");
            if (line.isDown) throw new ProviderUnavailable("the line is down");
            return sandbox.lookup(key);
          },
          statementMax: sandbox.statementMax,
          statement: (references) => through("statement", () => sandbox.statement(references)),
        };
      };
    });
    const fixture = await paymentsFixture({ definition });
    return { fixture, line };
  };

  test("every yes that was lost is found and given back after the order was told no", async () => {
    const { fixture, line } = await troubled();
    await fixture.askForPayment("ord_lost");
    for (let attempt = 1; attempt <= 4; attempt += 1) await expect(fixture.runDue()).rejects.toThrow("the line is down");
    expect(await fixture.sentFor("ord_lost")).toEqual(["PaymentDeclined"]);
    expect((await fixture.books()).provider).toMatchObject({ authorized: 5_000, voided: 0 });
    line.isDown = false;
    await fixture.runDue();
    const sums = { authorized: 5_000, voided: 5_000, captured: 0, refunded: 0 };
    expect(await fixture.books()).toEqual({ payments: sums, ledger: sums, provider: sums });
    expect(await fixture.dueLeft()).toEqual([]);
    expect(await fixture.sentFor("ord_lost")).toEqual(["PaymentDeclined"]);
    await fixture.close();
  });

  test("a request that never arrived is looked for until nothing can be on its way any more", async () => {
    const { fixture, line } = await troubled();
    line.loseRequests = true;
    await fixture.askForPayment("ord_void");
    for (let attempt = 1; attempt <= 4; attempt += 1) await expect(fixture.runDue()).rejects.toThrow("the line is down");
    line.isDown = false;
    await expect(fixture.runDue()).rejects.toThrow("may still be on its way");
    fixture.advance(10 * 60_000 + 1);
    await fixture.runDue();
    expect(await fixture.dueLeft()).toEqual([]);
    await fixture.close();
  });

  test("a deadline that passes meanwhile ends the asking, and a hold that was won is given back", async () => {
    const { fixture, line } = await troubled();
    await fixture.askForPayment("ord_late", { withinMs: 1_000 });
    await expect(fixture.runDue()).rejects.toThrow("the line is down");
    fixture.advance(2_000);
    line.isDown = false;
    line.calls = [];
    await fixture.runDue();
    expect(line.calls).toEqual(["lookup", "void"]);
    const [declined] = await fixture.sent();
    expect(declined?.message).toMatchObject({ code: "deadline_exceeded" });
    const sums = { authorized: 5_000, voided: 5_000, captured: 0, refunded: 0 };
    expect(await fixture.books()).toEqual({ payments: sums, ledger: sums, provider: sums });
    await fixture.close();
  });

  test("a cancelled order's payment is asked for no more, only looked for", async () => {
    const { fixture, line } = await troubled();
    await fixture.askForPayment("ord_cancelled");
    await expect(fixture.runDue()).rejects.toThrow("the line is down");
    await fixture.cancelOrder("ord_cancelled");
    line.isDown = false;
    line.calls = [];
    await fixture.runDue();
    expect(line.calls).toEqual(["lookup", "void"]);
    expect(await fixture.sentFor("ord_cancelled")).toEqual(["PaymentVoided"]);
    await fixture.close();
  });
});

test("a payment whose deadline has passed before the provider was asked is declined without asking", async () => {
  await fixture.askForPayment("ord_too_late", { withinMs: -1 });
  await fixture.runDue();
  expect(await paymentOf("ord_too_late")).toMatchObject({ state: PaymentState.DECLINED, declineCode: "deadline_exceeded" });
});

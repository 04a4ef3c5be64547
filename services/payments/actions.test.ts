// Payments whose buyer has to prove who it is: every way out of that, and what crosses it.
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PaymentState, type Payment } from "#gen/ordermesh/payments/v1/payment_pb.ts";
import { PaymentsAuditService } from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import { ChallengeState, PaymentsSandboxService } from "#gen/ordermesh/payments/v1/payments_sandbox_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { callerOf } from "../../test/audit-log/callers.ts";
import { refusal } from "../../test/support/refusal.ts";
import { paymentsWith } from "./main.ts";
import { paymentsFixture, type PaymentsFixture } from "./provider/books.fixture.ts";
import { ProviderUnavailable } from "./provider/contract.ts";
import { sandboxProvider } from "./provider/sandbox.ts";

let fixture: PaymentsFixture;
/** The sandbox as it is while its line is down. */
let isDown = false;
beforeAll(async () => {
  const definition = paymentsWith(({ db }) => {
    const sandboxOf = sandboxProvider(db, { delayMs: 0 });
    const down = () => Promise.reject(new ProviderUnavailable("the line is down"));
    return (tenant) => {
      const sandbox = sandboxOf(tenant);
      return {
        ...sandbox,
        // It does what it is asked, and its answer is lost.
        authorize: async (request) => {
          const answered = await sandbox.authorize(request);
          return isDown ? down() : answered;
        },
        lookup: (key, reference) => (isDown ? down() : sandbox.lookup(key, reference)),
      };
    };
  });
  fixture = await paymentsFixture({ definition });
});
afterAll(() => fixture.close());

let orderId: string;
let orders = 0;
beforeEach(() => {
  orders += 1;
  orderId = `ord_${orders}`;
});

const as = (role: "customer" | "operator" | "service") => callerOf(PaymentsService, { routes: fixture.parts.routes, role });
const payment = async (): Promise<Payment> => {
  const { payment: read } = await as("operator").getPayment({ orderId });
  if (!read) throw new Error("no payment");
  return read;
};
const resume = () => as("customer").resumePayment({ orderId });

/** Brings the order to where its buyer has to act; answers the secret. */
async function asked(token = "tok_3ds"): Promise<string> {
  await fixture.askForPayment(orderId, { token });
  await fixture.runDue();
  return (await payment()).action?.clientSecret ?? "";
}

const answer = (clientSecret: string, approved = true) =>
  callerOf(PaymentsSandboxService, { routes: fixture.parts.routes, role: "customer" }).answerChallenge({
    clientSecret,
    approved,
  });

const pastDeadline = () => fixture.advance(900_000 + 60_001);

/** All three books agree about this order, and nothing is left to do for it. */
async function settled(expected: { state: keyof typeof PaymentState; held: number; events: string[] }): Promise<void> {
  await fixture.runDue();
  expect((await payment()).state).toBe(PaymentState[expected.state]);
  expect(await fixture.sentFor(orderId)).toEqual(expected.events);
  const books = await fixture.books();
  expect(books.ledger).toEqual(books.payments);
  expect(books.provider).toEqual(books.payments);
  const { rows } = await sql<{ held: number }>`
    select authorized_minor_units - voided_minor_units as held from payment where order_id = ${orderId}`.execute(
    fixture.runtime.db,
  );
  expect(rows).toEqual([{ held: expected.held }]);
  expect(await fixture.dueLeft()).toEqual([]);
  const { discrepancies } = await fixture.client(PaymentsAuditService).auditPayments({});
  expect(discrepancies).toEqual([]);
}

const told = "PaymentActionRequired";

test("the buyer proves itself and comes back: held once, however often it comes", async () => {
  const secret = await asked();
  expect((await payment()).state).toBe(PaymentState.ACTION_REQUIRED);
  expect((await resume()).payment?.state).toBe(PaymentState.ACTION_REQUIRED);
  expect((await answer(secret)).state).toBe(ChallengeState.APPROVED);
  const answers = await Promise.all(Array.from({ length: 10 }, resume));
  expect(new Set(answers.map(({ payment: each }) => each?.state))).toEqual(new Set([PaymentState.AUTHORIZED]));
  await settled({ state: "AUTHORIZED", held: 5_000, events: [told, "PaymentAuthorized"] });
});

test.each([
  { why: "it refuses", token: "tok_3ds", approved: false },
  { why: "its bank does not believe it", token: "tok_3ds_fails", approved: true },
])("$why: declined, and the provider holds nothing even if it is asked again", async ({ token, approved }) => {
  const secret = await asked(token);
  expect((await answer(secret, approved)).state).toBe(ChallengeState.FAILED);
  expect((await resume()).payment).toMatchObject({ state: PaymentState.DECLINED, declineCode: "authentication_failed" });
  expect((await answer(secret)).state).toBe(ChallengeState.CANCELLED);
  await settled({ state: "DECLINED", held: 0, events: [told, "PaymentDeclined"] });
});

test("what is never done ends by itself a minute after the deadline, and is given up at the provider once", async () => {
  const secret = await asked();
  pastDeadline();
  await settled({ state: "DECLINED", held: 0, events: [told, "PaymentDeclined"] });
  expect(await payment()).toMatchObject({ declineCode: "deadline_exceeded" });
  expect((await answer(secret)).state).toBe(ChallengeState.CANCELLED);
});

test("the order ends first: nothing was held, so nothing is told", async () => {
  const secret = await asked();
  await fixture.cancelOrder(orderId);
  await fixture.cancelOrder(orderId);
  await settled({ state: "VOIDED", held: 0, events: [told] });
  expect((await answer(secret)).state).toBe(ChallengeState.CANCELLED);
  expect((await resume()).payment?.state).toBe(PaymentState.VOIDED);
});

test("an order that is cancelled while its buyer proves itself holds nothing", async () => {
  expect((await answer(await asked())).state).toBe(ChallengeState.APPROVED);
  await fixture.cancelOrder(orderId);
  await settled({ state: "VOIDED", held: 0, events: [told, "PaymentVoided"] });
});

test("whoever comes back after the deadline finds the hold given back", async () => {
  await answer(await asked());
  fixture.advance(900_001);
  // The provider holds it, and is asked to give it back.
  expect((await resume()).payment?.state).toBe(PaymentState.AUTHORIZED);
  await settled({ state: "DECLINED", held: 0, events: [told, "PaymentDeclined"] });
});

test("an order that was cancelled before the provider's question came is ended at once and told of nothing", async () => {
  await fixture.askForPayment(orderId, { token: "tok_3ds" });
  isDown = true;
  await expect(fixture.runDue()).rejects.toThrow("the line is down");
  await fixture.cancelOrder(orderId);
  isDown = false;
  await settled({ state: "VOIDED", held: 0, events: [] });
});

test("the sweep finds a payment that waits for a buyer, and undoes it once", async () => {
  await asked();
  const audits = fixture.client(PaymentsAuditService);
  expect((await audits.listHeldPayments({})).payments.map((held) => held.orderId)).toContain(orderId);
  const undo = () => audits.undoPayment({ orderId, reason: "nobody's" });
  expect((await undo()).payment).toMatchObject({ undoing: true });
  await undo();
  await settled({ state: "VOIDED", held: 0, events: [told] });
});

test("a next step that was lost is found by the audit", async () => {
  await asked();
  await sql`delete from due_work where key = ${orderId}`.execute(fixture.runtime.db);
  const audits = fixture.client(PaymentsAuditService);
  expect((await audits.auditPayments({})).discrepancies).toMatchObject([{ check: "money.next_step", key: orderId }]);
  await audits.undoPayment({ orderId, reason: "lost" });
  await settled({ state: "VOIDED", held: 0, events: [told] });
});

test("while the provider does not answer, who comes back is told to ask again, and nothing is decided", async () => {
  await answer(await asked());
  isDown = true;
  expect(await refusal(resume())).toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
  isDown = false;
  expect((await payment()).state).toBe(PaymentState.ACTION_REQUIRED);
  await resume();
  await settled({ state: "AUTHORIZED", held: 5_000, events: [told, "PaymentAuthorized"] });
});

describe("what the buyer has to do", () => {
  test("is shown to the buyer and to operators, and to no service", async () => {
    const secret = await asked();
    const shownTo = async (role: "customer" | "operator" | "service") => (await as(role).getPayment({ orderId })).payment?.action;
    expect((await shownTo("customer"))?.clientSecret).toBe(secret);
    expect((await shownTo("operator"))?.clientSecret).toBe(secret);
    expect(await shownTo("service")).toBeUndefined();
    await fixture.cancelOrder(orderId);
    await fixture.runDue();
    expect(await shownTo("customer")).toBeUndefined();
  });

  test("stands in no event and no entry of the audit log", async () => {
    const secret = await asked();
    await answer(secret);
    await resume();
    const written = await sql<{ text: string }>`
      select encode(payload, 'escape') as text from outbox
      union all select coalesce(before::text, '') || coalesce(after::text, '') from audit_entry`.execute(fixture.runtime.db);
    expect(written.rows.length).toBeGreaterThan(2);
    expect(written.rows.filter(({ text }) => text.includes(secret))).toEqual([]);
  });

  test("is not told to another customer, for whom there is no such payment", async () => {
    await asked();
    await sql`update payment set customer_id = 'bob' where order_id = ${orderId}`.execute(fixture.runtime.db);
    for (const call of [() => as("customer").getPayment({ orderId }), resume]) {
      expect(await refusal(call())).toMatchObject({ reason: "PAYMENT_NOT_FOUND" });
    }
  });

  test("a secret that is none answers nothing", async () => {
    expect(await refusal(answer("no such secret"))).toMatchObject({ reason: "CHALLENGE_NOT_FOUND" });
  });
});

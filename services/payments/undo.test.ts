// Money that must go back does, once; and what the provider refuses for good comes to an end that can be seen.
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PaymentState } from "#gen/ordermesh/payments/v1/payment_pb.ts";
import { PaymentsAuditService, type PaymentEntry } from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { refusal } from "../../test/support/refusal.ts";
import { paymentsWith } from "./main.ts";
import { paymentsFixture, type PaymentsFixture } from "./provider/books.fixture.ts";
import { ProviderRefused } from "./provider/contract.ts";
import { sandboxProvider } from "./provider/sandbox.ts";

type Movement = "capture" | "void" | "refund";

let fixture: PaymentsFixture;
/** What the provider refuses for good at the moment, and what it was asked to move so far. */
let refused: Set<Movement>;
let asked: string[];

beforeEach(async () => {
  refused = new Set();
  asked = [];
  const definition = paymentsWith(({ db }) => (tenant) => {
    const sandbox = sandboxProvider(db, { delayMs: 0 })(tenant);
    const unlessRefused = <Answer>(movement: Movement, call: () => Promise<Answer>): Promise<Answer> => {
      asked.push(movement);
      return refused.has(movement) ? Promise.reject(new ProviderRefused(`${movement}_refused`)) : call();
    };
    return {
      ...sandbox,
      capture: (request) => unlessRefused("capture", () => sandbox.capture(request)),
      void: (request) => unlessRefused("void", () => sandbox.void(request)),
      refund: (request) => unlessRefused("refund", () => sandbox.refund(request)),
    };
  });
  fixture = await paymentsFixture({ definition });
});
afterEach(() => fixture.close());

const orderId = "ord_1";

async function undo(of = orderId): Promise<PaymentEntry> {
  const { payment } = await fixture.client(PaymentsAuditService).undoPayment({ orderId: of, reason: "never shipped" });
  if (!payment) throw new Error("no payment in the answer");
  return payment;
}

async function entry(): Promise<PaymentEntry | undefined> {
  return (await fixture.client(PaymentsAuditService).auditOrderPayments({ orderIds: [orderId, "ord_unknown"] })).payments[0];
}

const discrepancies = async () => {
  const { discrepancies: found } = await fixture.client(PaymentsAuditService).auditPayments({});
  return found.map(({ check, key, figures }) => ({ check, key, work: figures["work"], code: figures["code"] }));
};

const sums = async () => {
  const books = await fixture.books();
  expect(books.ledger).toEqual(books.payments);
  expect(books.provider).toEqual(books.payments);
  return books.provider;
};

const hold = async () => {
  await fixture.askForPayment(orderId);
  await fixture.runDue();
};

describe("UndoPayment", () => {
  test("gives held money back, and twenty repeats at the same time are one void", async () => {
    await hold();
    const answers = await Promise.all(Array.from({ length: 20 }, () => undo()));
    for (const answer of answers) expect(answer).toMatchObject({ state: PaymentState.AUTHORIZED, undoing: true });
    await fixture.runDue();
    expect(await undo()).toMatchObject({ state: PaymentState.VOIDED, undoing: false });
    expect(await fixture.sentFor(orderId)).toEqual(["PaymentAuthorized", "PaymentVoided"]);
    expect(await sums()).toEqual({ authorized: 5_000, voided: 5_000, captured: 0, refunded: 0 });
    expect(asked).toEqual(["void"]);
  });

  test("gives taken money back once, less what was given back before", async () => {
    await fixture.captureOrder(orderId);
    const amount = { currencyCode: "EUR", minorUnits: 2_000n };
    await fixture.client(PaymentsService).refundPayment({ orderId, amount, reason: "chipped", requestId: "1" });
    await Promise.all(Array.from({ length: 20 }, () => undo()));
    await fixture.runDue();
    await undo();
    await fixture.runDue();
    expect(await entry()).toMatchObject({ state: PaymentState.REFUNDED, undoing: false });
    expect(await sums()).toMatchObject({ captured: 5_000, refunded: 5_000 });
    expect(asked).toEqual(["capture", "refund", "refund"]);
    const reasons = await sql<{ reason: string }>`select reason from refund order by refund_id`.execute(fixture.runtime.db);
    expect(reasons.rows.map(({ reason }) => reason)).toEqual(["chipped", "never shipped"]);
  });

  test("of a payment that is being asked for leaves nothing held", async () => {
    await fixture.askForPayment(orderId);
    expect(await undo()).toMatchObject({ state: PaymentState.PENDING, undoing: true });
    await fixture.runDue();
    expect(await entry()).toMatchObject({ state: PaymentState.VOIDED, undoing: false });
    expect(await sums()).toMatchObject({ authorized: 0 });
  });

  test("while a capture is on its way lets it through and gives the money back", async () => {
    await hold();
    await fixture.dispatchOrder(orderId);
    expect(await undo()).toMatchObject({ state: PaymentState.AUTHORIZED, undoing: true });
    await fixture.runDue();
    expect(await entry()).toMatchObject({ state: PaymentState.REFUNDED });
    expect(await sums()).toMatchObject({ captured: 5_000, refunded: 5_000 });
  });

  test("leaves work that is being tried again its time", async () => {
    await hold();
    await undo();
    const planned = () =>
      sql`
        update due_work set attempt = greatest(attempt, 3), due_time = greatest(due_time, now() + interval '1 hour')
        returning id, attempt`.execute(fixture.runtime.db);
    const before = await planned();
    await undo();
    expect((await planned()).rows).toEqual(before.rows);
  });

  test("at the same moment as the work that is under way: each payment goes back once", async () => {
    const orderIds = Array.from({ length: 40 }, (_, index) => `ord_${index}`);
    for (const of of orderIds) await fixture.askForPayment(of);
    await fixture.runDue();
    for (const of of orderIds.slice(20)) await fixture.dispatchOrder(of);
    await Promise.all([fixture.runDue(), ...orderIds.map((of) => undo(of)), ...orderIds.map((of) => undo(of))]);
    await fixture.runDue();
    const books = await sums();
    expect(books).toEqual({ authorized: 200_000, voided: 200_000 - books.captured, captured: 100_000, refunded: 100_000 });
    expect(await discrepancies()).toEqual([]);
  });

  test("of a final payment changes nothing, not even its time", async () => {
    await fixture.askForPayment(orderId, { token: "tok_declined" });
    await fixture.runDue();
    const before = await entry();
    expect(await undo()).toEqual(before);
    expect(await entry()).toEqual(before);
  });

  test("of an order without a payment: PAYMENT_NOT_FOUND", async () => {
    expect(await refusal(undo("ord_unknown"))).toMatchObject({ reason: "PAYMENT_NOT_FOUND" });
  });
});

describe("what the provider refuses for good", () => {
  test("a capture is asked for once, is shown as money.refused, and undoing it gives the hold back", async () => {
    await hold();
    refused.add("capture");
    await fixture.dispatchOrder(orderId);
    await fixture.runDue();
    expect(await fixture.dueLeft()).toEqual([]);
    expect(asked).toEqual(["capture"]);
    expect(await discrepancies()).toEqual([{ check: "money.refused", key: orderId, work: "capture", code: "capture_refused" }]);
    expect(await entry()).toMatchObject({ undoing: false });

    await undo();
    await fixture.runDue();
    expect(await entry()).toMatchObject({ state: PaymentState.VOIDED });
    expect(await sums()).toMatchObject({ voided: 5_000, captured: 0 });
    expect(await discrepancies()).toEqual([]);
  });

  test("a capture of an order that has ended meanwhile becomes a void", async () => {
    await hold();
    refused.add("capture");
    await fixture.dispatchOrder(orderId);
    await fixture.cancelOrder(orderId);
    await fixture.runDue();
    expect(await entry()).toMatchObject({ state: PaymentState.VOIDED });
    expect(asked).toEqual(["capture", "void"]);
    expect(await discrepancies()).toEqual([]);
  });

  test("a void is asked for once, and again when somebody undoes the payment", async () => {
    await hold();
    refused.add("void");
    await fixture.cancelOrder(orderId);
    await fixture.runDue();
    expect(await fixture.dueLeft()).toEqual([]);
    expect(await discrepancies()).toEqual([{ check: "money.refused", key: orderId, work: "void", code: "void_refused" }]);
    expect(await entry()).toMatchObject({ state: PaymentState.AUTHORIZED, undoing: false });

    refused.clear();
    expect(await undo()).toMatchObject({ undoing: true });
    await fixture.runDue();
    expect(await entry()).toMatchObject({ state: PaymentState.VOIDED });
    expect(asked).toEqual(["void", "void"]);
    expect(await discrepancies()).toEqual([]);
  });

  test("a void of a hold that was found too late is asked for again, and the payment stays DECLINED", async () => {
    await fixture.askForPayment(orderId);
    // What a yes looks like that was found after the order had been told no.
    await fixture.runDue();
    await sql`
      update payment set state = 'DECLINED', decline_code = 'provider_unavailable', ask_time = now()
      where order_id = ${orderId}`.execute(fixture.runtime.db);
    refused.add("void");
    await undo();
    await fixture.runDue();
    expect(await discrepancies()).toMatchObject([{ check: "money.refused", work: "void" }]);
    refused.clear();
    await undo();
    await fixture.runDue();
    expect(await entry()).toMatchObject({ state: PaymentState.DECLINED, undoing: false });
    expect(await sums()).toMatchObject({ authorized: 5_000, voided: 5_000 });
    expect(await discrepancies()).toEqual([]);
  });

  test("a refund takes its promise back, so that another can be asked for, and never gives back twice", async () => {
    await fixture.captureOrder(orderId);
    refused.add("refund");
    const ask = (requestId: string) => fixture.client(PaymentsService).refundPayment({ orderId, reason: "broken", requestId });
    await ask("1");
    await fixture.runDue();
    expect(await fixture.dueLeft()).toEqual([]);
    expect(await discrepancies()).toEqual([{ check: "money.refused", key: orderId, work: "refund", code: "refund_refused" }]);
    expect(await entry()).toMatchObject({ state: PaymentState.CAPTURED, refunded: { minorUnits: 0n }, undoing: false });

    refused.clear();
    await ask("2");
    // The refused one comes once more by mistake: it must not move money beside the new one.
    await sql`
      insert into due_work (id, kind, tenant_id, key, due_time, cause_id, traceparent)
      select 'due_again', 'payments.refund', tenant_id, refund_id, now(), 'req_test', '' from refund where state = 'REFUSED'`.execute(
      fixture.runtime.db,
    );
    await fixture.runDue();
    expect(await entry()).toMatchObject({ state: PaymentState.REFUNDED });
    expect(await sums()).toMatchObject({ captured: 5_000, refunded: 5_000 });
    expect(asked).toEqual(["capture", "refund", "refund"]);
    expect(await discrepancies()).toEqual([]);
  });
});

// Refunds: never more than was taken, never twice for one request.
import { Code } from "@connectrpc/connect";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { LedgerEntryType, PaymentState } from "#gen/ordermesh/payments/v1/payment_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import { testTenant } from "../../test/support/service-fixture.ts";
import { paymentsFixture, type PaymentsFixture } from "./provider/books.fixture.ts";

let fixture: PaymentsFixture;
beforeAll(async () => {
  fixture = await paymentsFixture();
});
afterAll(() => fixture.close());

let orderId: string;
let orders = 0;
beforeEach(() => {
  orders += 1;
  orderId = `ord_${orders}`;
});

const euros = (minorUnits: number) => ({ currencyCode: "EUR", minorUnits: BigInt(minorUnits) });

async function refund(request: { amount?: number; currency?: string; requestId: string; reason?: string; of?: string }) {
  const { amount, currency = "EUR", requestId, reason = "broken mug", of = orderId } = request;
  const { payment } = await fixture.client(PaymentsService).refundPayment({
    orderId: of,
    reason,
    requestId: `${orderId}-${requestId}`,
    ...(amount === undefined ? {} : { amount: { currencyCode: currency, minorUnits: BigInt(amount) } }),
  });
  if (!payment) throw new Error("no payment in the answer");
  return payment;
}

const readBack = async () => {
  const { payment } = await fixture.client(PaymentsService).getPayment({ orderId });
  if (!payment) throw new Error("no payment");
  return payment;
};

const consistent = async () => {
  const books = await fixture.books();
  expect(books.ledger).toEqual(books.payments);
  expect(books.provider).toEqual(books.payments);
  expect(await fixture.dueLeft()).toEqual([]);
};

const refundEvents = async () =>
  (await fixture.sent())
    .filter(({ key, typeName }) => key === orderId && typeName.endsWith("PaymentRefunded"))
    .map(({ message }) => message);

test("a refund is booked at once, then given back; refunded means all of it", async () => {
  await fixture.captureOrder(orderId);
  const booked = await refund({ amount: 2_000, requestId: "1" });
  expect(booked).toMatchObject({ state: PaymentState.CAPTURED, captured: euros(5_000), refunded: euros(0) });
  expect(booked.ledger.at(-1)).toMatchObject({ type: LedgerEntryType.REFUND, amount: euros(2_000), providerReference: "" });

  await fixture.runDue();
  const partly = await readBack();
  expect(partly).toMatchObject({ state: PaymentState.CAPTURED, refunded: euros(2_000) });
  expect(partly.ledger.at(-1)?.entryId).toBe(booked.ledger.at(-1)?.entryId);
  expect(partly.ledger.at(-1)?.providerReference).not.toBe("");

  await refund({ requestId: "2" });
  await fixture.runDue();
  expect(await readBack()).toMatchObject({ state: PaymentState.REFUNDED, refunded: euros(5_000) });
  expect(await refundEvents()).toMatchObject([
    { amount: euros(2_000), remaining: euros(3_000) },
    { amount: euros(3_000), remaining: euros(0) },
  ]);
  await consistent();
});

describe("refusals", () => {
  test.each([
    { what: "of an unknown order", request: { of: "ord_unknown" }, code: Code.NotFound, reason: "PAYMENT_NOT_FOUND" },
    {
      what: "in another currency",
      request: { currency: "USD", amount: 1 },
      code: Code.InvalidArgument,
      reason: "CURRENCY_MISMATCH",
    },
    {
      what: "of more than was taken",
      request: { amount: 5_001 },
      code: Code.FailedPrecondition,
      reason: "REFUND_EXCEEDS_CAPTURE",
    },
  ])("a refund $what: $reason", async ({ request, code, reason }) => {
    await fixture.captureOrder(orderId);
    const refused = await refund({ ...request, requestId: "1" }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code });
    expect(reasonOf(refused)).toBe(reason);
    // A refused request has left nothing behind, its id neither.
    expect(await refund({ amount: 1, requestId: "1" })).toMatchObject({ state: PaymentState.CAPTURED });
    await fixture.runDue();
  });

  test("a refund of nothing or less does not pass the contract", async () => {
    await fixture.captureOrder(orderId);
    await expect(refund({ amount: 0, requestId: "1" })).rejects.toMatchObject({ code: Code.InvalidArgument });
  });

  test("a refund of what is only held: NOT_CAPTURED", async () => {
    await fixture.askForPayment(orderId);
    await fixture.runDue();
    const refused = await refund({ requestId: "1" }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: Code.FailedPrecondition });
    expect(reasonOf(refused)).toBe("NOT_CAPTURED");
  });

  test("once all is promised there is nothing left to refund", async () => {
    await fixture.captureOrder(orderId);
    await refund({ requestId: "1" });
    expect(reasonOf(await refund({ requestId: "2" }).catch((error: unknown) => error))).toBe("REFUND_EXCEEDS_CAPTURE");
    await fixture.runDue();
    expect(reasonOf(await refund({ requestId: "3" }).catch((error: unknown) => error))).toBe("REFUND_EXCEEDS_CAPTURE");
  });

  test("the payment of an unknown order is not found", async () => {
    const refused = await readBack().catch((error: unknown) => error);
    expect(reasonOf(refused)).toBe("PAYMENT_NOT_FOUND");
  });
});

describe("request_id", () => {
  test("fifty repeats at the same time are one refund, and all get the first answer", async () => {
    await fixture.captureOrder(orderId);
    const repeats = Array.from({ length: 50 }, () => refund({ amount: 700, requestId: "same" }));
    const answers = await Promise.all(repeats);
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    await fixture.runDue();
    expect(await refund({ amount: 700, requestId: "same" })).toEqual(answers[0]);
    expect(await readBack()).toMatchObject({ refunded: euros(700) });
    expect(await refundEvents()).toHaveLength(1);
    await consistent();
  });

  test.each([
    { what: "amount", other: { amount: 701 } },
    { what: "reason", other: { amount: 700, reason: "another" } },
    { what: "order", other: { amount: 700, of: "ord_other" } },
  ])("the same id with another $what is refused", async ({ other }) => {
    await fixture.captureOrder(orderId);
    await refund({ amount: 700, requestId: "reused" });
    const refused = await refund({ ...other, requestId: "reused" }).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: Code.AlreadyExists });
    expect(reasonOf(refused)).toBe("REQUEST_ID_REUSED");
    await fixture.runDue();
    expect(await readBack()).toMatchObject({ refunded: euros(700) });
  });
});

test("twenty refunds at the same time never give back more than was taken", async () => {
  await fixture.captureOrder(orderId);
  const attempts = Array.from({ length: 20 }, (_, index) => refund({ amount: 700, requestId: String(index) }));
  const results = await Promise.allSettled(attempts);
  expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(7);
  await fixture.runDue();
  expect(await readBack()).toMatchObject({ state: PaymentState.CAPTURED, refunded: euros(4_900) });
  const remaining = [4_300, 3_600, 2_900, 2_200, 1_500, 800, 100];
  expect(await refundEvents()).toMatchObject(remaining.map((minorUnits) => ({ remaining: euros(minorUnits) })));
  await consistent();
});

test("a refund that is done once more by mistake moves nothing", async () => {
  await fixture.captureOrder(orderId);
  const booked = await refund({ amount: 700, requestId: "1" });
  await fixture.runDue();
  const again = {
    kind: "payments.refund",
    tenant: testTenant,
    key: booked.ledger.at(-1)?.entryId ?? "",
    due: { inMs: 0 },
    cause: { id: "req_again", traceparent: "" },
  };
  await fixture.runtime.transaction((tx) => planDue(tx, [again]));
  await fixture.runDue();
  expect(await refundEvents()).toHaveLength(1);
  expect(await readBack()).toMatchObject({ refunded: euros(700) });
  await consistent();
});

test("a cancellation after the capture refunds what was not promised yet", async () => {
  await fixture.captureOrder(orderId);
  await refund({ amount: 2_000, requestId: "1" });
  await fixture.cancelOrder(orderId);
  await fixture.cancelOrder(orderId);
  await fixture.runDue();
  expect(await readBack()).toMatchObject({ state: PaymentState.REFUNDED, refunded: euros(5_000) });
  expect(await refundEvents()).toHaveLength(2);
  await consistent();
});

test.each([
  { what: "change an entry", statement: sql`update ledger_entry set amount_minor_units = 1` },
  { what: "delete an entry", statement: sql`delete from ledger_entry` },
  { what: "empty the ledger", statement: sql`truncate ledger_entry` },
  { what: "refund more than was taken", statement: sql`update payment set refunded_minor_units = captured_minor_units + 1` },
  { what: "capture more than the amount", statement: sql`update payment set captured_minor_units = amount_minor_units + 1` },
])("the database does not let anybody $what", async ({ statement }) => {
  await expect(statement.execute(fixture.runtime.db)).rejects.toThrow(/append-only|check constraint/);
});

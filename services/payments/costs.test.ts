// What an order costs may change after it was asked to pay, and what comes back of it is paid back: in our books and in the provider's.
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { OrderChangedSchema } from "#gen/ordermesh/orders/events/v1/order_changed_pb.ts";
import { ReturnReceivedSchema } from "#gen/ordermesh/orders/events/v1/return_events_pb.ts";
import { PaymentsAuditService } from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import { paymentsFixture, type PaymentsFixture } from "./provider/books.fixture.ts";
import { readPayment } from "./store/payments.ts";

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
afterEachAudit();

const money = (minorUnits: number) => ({ currencyCode: "EUR", minorUnits: BigInt(minorUnits) });
const costs = (total: number, changeId = "chg_1") =>
  fixture.deliver(OrderChangedSchema, { orderId, changeId, total: money(total) });
const comesBack = (refund: number, returnId = "rtn_1") =>
  fixture.deliver(ReturnReceivedSchema, { orderId, returnId: `${returnId}_${orderId}`, refund: money(refund) });
const payment = () => readPayment(fixture.runtime.db, { tenant: "demo", orderId });

/** The books of all orders agree after each test. */
function afterEachAudit(): void {
  afterAll(async () => {
    const { payments, ledger, provider } = await fixture.books();
    expect(ledger).toEqual(payments);
    expect(provider).toEqual(payments);
    const audit = await fixture.client(PaymentsAuditService).auditPayments({});
    expect(audit.discrepancies).toEqual([]);
  });
}

test.each([
  { why: "before the provider is asked", first: () => fixture.askForPayment(orderId) },
  {
    why: "after it has agreed",
    first: async () => {
      await fixture.askForPayment(orderId);
      await fixture.runDue();
    },
  },
])("an order that becomes cheaper $why is charged what it costs then, and stays authorised", async ({ first }) => {
  await first();
  await costs(4_000);
  await costs(4_000);
  await costs(3_500, "chg_2");
  await fixture.runDue();
  expect(await payment()).toMatchObject({ state: "AUTHORIZED", authorized: 5_000 });
  await fixture.dispatchOrder(orderId);
  await fixture.runDue();
  expect(await payment()).toMatchObject({ state: "CAPTURED", captured: 3_500, refunded: 0 });
});

test("what was taken before the change was heard goes back in part, once", async () => {
  await fixture.captureOrder(orderId);
  await costs(4_000);
  await costs(4_000);
  await fixture.runDue();
  expect(await payment()).toMatchObject({ captured: 5_000, refunded: 1_000 });
});

test("an order cannot come to cost more than was asked for, and one that has no payment yet asks by itself", async () => {
  await costs(9_000);
  await fixture.askForPayment(orderId);
  await expect(costs(5_001)).rejects.toMatchObject({ code: "COST_ABOVE_AMOUNT" });
});

test("a return is paid back once, and never more than is left", async () => {
  await fixture.captureOrder(orderId);
  await comesBack(1_000);
  await comesBack(1_000);
  await fixture.runDue();
  expect(await payment()).toMatchObject({ state: "CAPTURED", refunded: 1_000 });
  await comesBack(4_500, "rtn_2");
  await fixture.runDue();
  expect(await payment()).toMatchObject({ state: "REFUNDED", refunded: 5_000 });
  await comesBack(0, "rtn_3");
  await comesBack(100, "rtn_4");
  await fixture.runDue();
  expect(await payment()).toMatchObject({ refundBooked: 5_000, refunded: 5_000 });
});

// Money is taken parcel by parcel where the provider can, and with the first parcel where it cannot; all books agree after each step.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { OrderChangedSchema } from "#gen/ordermesh/orders/events/v1/order_changed_pb.ts";
import { OrderPaymentDueSchema, OrderReturnedSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { OrderParcelReturnedSchema, ReturnReceivedSchema } from "#gen/ordermesh/orders/events/v1/return_events_pb.ts";
import { PaymentState } from "#gen/ordermesh/payments/v1/payment_pb.ts";
import { PaymentsAuditService } from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { ShipmentDispatchedSchema } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { refusalWithMetadata } from "../../test/support/refusal.ts";
import { startStripe, type TestStripe } from "../../test/support/stripe.ts";
import { paymentHistory } from "./store/history.ts";
import { paymentsFixture, type PaymentsFixture } from "./provider/books.fixture.ts";

const key = "sk_test_one";
const euros = (minorUnits: number) => ({ currencyCode: "EUR", minorUnits: BigInt(minorUnits) });

describe.each([
  { name: "sandbox", token: "tok_success", taken: [2_000, 3_000] },
  { name: "stripe", token: "pm_card_visa", taken: [3_000, 3_000] },
])("$name", ({ name, token, taken }) => {
  let stripe: TestStripe;
  let fixture: PaymentsFixture;
  beforeAll(async () => {
    stripe = await startStripe({ keys: [key] });
    const env = {
      ORDERMESH_PAYMENT_PROVIDER: name,
      ORDERMESH_STRIPE_KEYS: `demo=${key}`,
      ORDERMESH_STRIPE_URL: stripe.url,
    };
    fixture = await paymentsFixture({ env });
  });
  afterAll(async () => {
    await fixture.close();
    await stripe.close();
  });

  let orderId: string;
  let orders = 0;
  /** An order of two mugs and tea, for 30 with the cost of sending, whose money is held. */
  beforeEach(async () => {
    orders += 1;
    orderId = `ord_${orders}`;
    await fixture.deliver(OrderPaymentDueSchema, {
      orderId,
      amount: euros(3_000),
      paymentToken: token,
      deadline: timestampFromDate(new Date(Date.now() + 900_000)),
      lines: [
        { sku: "MUG", quantity: 2n, unitPrice: euros(1_000) },
        { sku: "TEA", quantity: 1n, unitPrice: euros(500) },
      ],
    });
    await fixture.runDue();
  });

  const mugs = () => ({ orderId, shipmentId: `shp_mugs_${orders}`, lines: [{ sku: "MUG", quantity: 2n }] });
  const tea = () => ({ orderId, shipmentId: "shp_tea", lines: [{ sku: "TEA", quantity: 1n }] });
  const send = async (...parcels: ReturnType<typeof mugs>[]): Promise<void> => {
    await fixture.deliver(ShipmentDispatchedSchema, ...parcels);
    await fixture.runDue();
  };
  const shown = async () => {
    const { discrepancies } = await fixture.client(PaymentsAuditService).auditPayments({});
    expect(discrepancies).toEqual([]);
    expect(await fixture.dueLeft()).toEqual([]);
    const { payment } = await fixture.client(PaymentsService).getPayment({ orderId });
    const { state, captured, refunded } = payment ?? {};
    return { state, taken: Number(captured?.minorUnits), back: Number(refunded?.minorUnits) };
  };

  test("two parcels, told of again and again, take what the order costs", async () => {
    await send(mugs());
    expect(await shown()).toEqual({ state: PaymentState.CAPTURED, taken: taken[0], back: 0 });
    await send(mugs(), mugs());
    await send(tea());
    await send(tea(), mugs());
    expect(await shown()).toEqual({ state: PaymentState.CAPTURED, taken: taken[1], back: 0 });
  });

  test("two parcels that leave at the same moment take it too", async () => {
    await send(tea(), mugs());
    expect(await shown()).toEqual({ state: PaymentState.CAPTURED, taken: 3_000, back: 0 });
  });

  test("the history of the order tells of each time that money was taken, and of what is still to be taken", async () => {
    const told = async () => {
      const { facts, waits } = await paymentHistory(fixture.runtime.db)({ tenant: "demo", orderId });
      return [...facts.map(({ name, text }) => `${name}: ${text}`), ...waits.map(({ text }) => `waits: ${text}`)].slice(1);
    };
    const amount = (minorUnits: number) => `${minorUnits} minor units of EUR`;
    const held = `AUTHORIZATION: ${amount(3_000)} held`;
    const [first = 0, all = 0] = taken;
    await fixture.deliver(ShipmentDispatchedSchema, mugs());
    expect(await told()).toEqual([held, `waits: ${amount(first)} to be taken for what has left`]);
    await fixture.runDue();
    await send(tea());
    const parts = first === all ? [first] : [first, all - first];
    expect(await told()).toEqual([held, ...parts.map((part) => `CAPTURE: ${amount(part)} taken`)]);
  });

  test("no more is refunded than was taken by then", async () => {
    await send(mugs());
    const refund = (minorUnits: number, requestId: string) =>
      fixture.client(PaymentsService).refundPayment({ orderId, amount: euros(minorUnits), reason: "broken", requestId });
    const { reason, metadata } = await refusalWithMetadata(refund((taken[0] ?? 0) + 1, `${name}-more`));
    expect([reason, metadata?.["remainingMinorUnits"]]).toEqual(["REFUND_EXCEEDS_CAPTURE", String(taken[0])]);
    await refund(taken[0] ?? 0, `${name}-all`);
    await fixture.runDue();
    expect(await shown()).toEqual({ state: PaymentState.REFUNDED, taken: taken[0], back: taken[0] });
    await send(tea());
    expect(await shown()).toMatchObject({ taken: taken[1], back: taken[0] });
  });

  test("a parcel that came back gives back what is in it, once, and the next one is still taken", async () => {
    await send(mugs());
    const back = () => ({ orderId, shipmentId: `shp_mugs_${orders}`, refund: euros(2_000) });
    await fixture.deliver(OrderParcelReturnedSchema, back());
    await fixture.deliver(OrderParcelReturnedSchema, back(), back());
    await fixture.runDue();
    expect(await shown()).toMatchObject({ taken: taken[0], back: 2_000 });
    await send(tea());
    expect(await shown()).toMatchObject({ taken: taken[1], back: 2_000 });
    // The other one, too: that is the order's end, and the rest goes back.
    await fixture.deliver(OrderReturnedSchema, { orderId });
    await fixture.runDue();
    expect(await shown()).toEqual({ state: PaymentState.REFUNDED, taken: taken[1], back: taken[1] });
  });

  test("a parcel that is back before its money is here waits for that", async () => {
    await fixture.deliver(ShipmentDispatchedSchema, mugs());
    const back = () =>
      fixture.deliver(OrderParcelReturnedSchema, { orderId, shipmentId: `shp_mugs_${orders}`, refund: euros(2_000) });
    await back();
    await back();
    const { waits } = await paymentHistory(fixture.runtime.db)({ tenant: "demo", orderId });
    expect(waits.map(({ text }) => text)).toContain(
      "2000 minor units of EUR to be given back for what came back, once it is taken",
    );
    await fixture.runDue();
    await back();
    await fixture.runDue();
    expect(await shown()).toMatchObject({ taken: taken[0], back: 2_000 });
    await send(tea());
    expect(await shown()).toMatchObject({ taken: taken[1], back: 2_000 });
  });

  test.each([
    { first: "the parcel", bring: [OrderParcelReturnedSchema, OrderReturnedSchema] },
    { first: "the order", bring: [OrderReturnedSchema, OrderParcelReturnedSchema] },
  ])("where all of it is back before its money is here, all of that goes back, once; $first first", async ({ bring }) => {
    await fixture.deliver(ShipmentDispatchedSchema, mugs(), tea());
    for (const desc of [...bring, ...bring]) {
      if (desc === OrderReturnedSchema) await fixture.deliver(OrderReturnedSchema, { orderId });
      else await fixture.deliver(OrderParcelReturnedSchema, { orderId, shipmentId: `shp_mugs_${orders}`, refund: euros(2_000) });
    }
    await fixture.runDue();
    const { state, taken: sum, back } = await shown();
    expect([state, back]).toEqual([PaymentState.REFUNDED, sum]);
  });

  test("a parcel that bore tax gives back all of it, though what it has cost beside its prices is taken with the others", async () => {
    await send(mugs());
    const back = () =>
      fixture.deliver(OrderParcelReturnedSchema, { orderId, shipmentId: `shp_mugs_${orders}`, refund: euros(2_140) });
    for (let times = 0; times < 2; times += 1) await back();
    await fixture.runDue();
    expect(await shown()).toMatchObject({ taken: taken[0], back: taken[0] === taken[1] ? 2_140 : 0 });
    await send(tea());
    await back();
    await fixture.runDue();
    expect(await shown()).toMatchObject({ taken: 3_000, back: 2_140 });
  });

  test("what a buyer sends back before its money is here goes back once it is", async () => {
    await fixture.deliver(ShipmentDispatchedSchema, mugs(), tea());
    const back = () => fixture.deliver(ReturnReceivedSchema, { orderId, returnId: `rtn_${orders}`, refund: euros(500) });
    await back();
    await fixture.runDue();
    await back();
    await fixture.runDue();
    expect(await shown()).toMatchObject({ taken: 3_000, back: 500 });
  });

  describe("an order that has changed", () => {
    const noTea = { total: euros(2_400), lines: [{ sku: "MUG", quantity: 2n, unitPrice: euros(1_000) }] };
    const change = (changeId: string, to = noTea) => fixture.deliver(OrderChangedSchema, { orderId, changeId, ...to });

    test("takes what it costs now with its last parcel, and the rest of the hold goes back", async () => {
      await change("chg_1");
      await change("chg_1");
      expect(await shown()).toEqual({ state: PaymentState.AUTHORIZED, taken: 0, back: 0 });
      await send(mugs());
      expect(await shown()).toEqual({ state: PaymentState.CAPTURED, taken: 2_400, back: 0 });
    });

    test("after its first parcel takes what is still due, or gives back what was taken for what is not sent", async () => {
      await send(mugs());
      await change("chg_1");
      await fixture.runDue();
      const { taken: now, back } = await shown();
      expect((now ?? 0) - (back ?? 0)).toBe(2_400);
      const held = (await fixture.client(PaymentsAuditService).listHeldPayments({})).payments.map((each) => each.orderId);
      expect(held).not.toContain(orderId);
    });

    test("may come to cost again what was asked for, and no more", async () => {
      await change("chg_1");
      await change("chg_2", { ...noTea, total: euros(3_000) });
      await expect(change("chg_3", { ...noTea, total: euros(3_001) })).rejects.toMatchObject({ code: "COST_ABOVE_AMOUNT" });
      await send(mugs());
      expect(await shown()).toMatchObject({ taken: 3_000, back: 0 });
    });
  });

  test.each(["undone", "returned"])("an order that is %s after its first parcel gets all of its money back", async (how) => {
    await send(mugs());
    if (how === "undone") await fixture.client(PaymentsAuditService).undoPayment({ orderId, reason: "lost" });
    else await fixture.deliver(OrderReturnedSchema, { orderId });
    await fixture.runDue();
    expect(await shown()).toEqual({ state: PaymentState.REFUNDED, taken: taken[0], back: taken[0] });
    const held = (await fixture.client(PaymentsAuditService).listHeldPayments({})).payments.map((each) => each.orderId);
    expect(held).not.toContain(orderId);
  });
});

// Whatever order the facts of an order arrive in, its money ends where it belongs: in our books and in the provider's.
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import {
  OrderCancelledSchema,
  OrderPaymentDueSchema,
  OrderReturnedSchema,
} from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { RefusedEvent } from "#runtime/events/hearing.ts";
import { applyDue, prepareDue, type ClaimedItem } from "#runtime/schedule/due-store.ts";
import { testTenant } from "../../test/support/service-fixture.ts";
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

/** The provider is asked and has answered; its answer is not booked yet. */
async function askProvider() {
  const { rows } = await sql<ClaimedItem>`
    update due_work set attempt = attempt + 1 where kind = 'payments.authorize' and key = ${orderId}
    returning id, kind, tenant_id as tenant, key, due_time as "dueTime", attempt, cause_id as "causeId", traceparent`.execute(
    fixture.runtime.db,
  );
  const work = fixture.parts.dueWork?.find(({ kind }) => kind === "payments.authorize");
  const [row] = rows;
  if (!work || !row) return async () => {};
  const prepared = await prepareDue(work, row);
  return () => applyDue(fixture.runtime, work, [prepared]);
}

type Fact = "due" | "asked" | "answered" | "cancelled" | "dispatched";

function permutations(facts: readonly Fact[]): Fact[][] {
  if (facts.length === 0) return [[]];
  return facts.flatMap((fact) => permutations(facts.filter((other) => other !== fact)).map((rest) => [fact, ...rest]));
}

/** Every order in which the facts can arrive; an answer follows its question. */
const orderings = (facts: readonly Fact[]) =>
  permutations(facts)
    .filter((order) => !order.includes("answered") || order.indexOf("asked") < order.indexOf("answered"))
    .map((order) => ({ name: order.join(", "), order }));

/** Lets the facts arrive as the runtime would: what is refused ends as a dead letter, what fails is delivered again. */
async function arrive(order: readonly Fact[], token: string): Promise<{ deadLetters: string[] }> {
  const deadLetters: string[] = [];
  const again: Fact[] = [];
  let book = async () => {};
  const handle: Record<Fact, () => Promise<void>> = {
    due: () => fixture.askForPayment(orderId, { token }),
    asked: async () => {
      book = await askProvider();
    },
    answered: () => book(),
    cancelled: () => fixture.cancelOrder(orderId),
    dispatched: () => fixture.dispatchOrder(orderId),
  };
  const take = async (fact: Fact) => {
    try {
      await handle[fact]();
    } catch (error) {
      if (error instanceof RefusedEvent) deadLetters.push(error.code);
      else again.push(fact);
    }
  };
  for (const fact of order) await take(fact);
  await fixture.runDue();
  for (const fact of again.splice(0)) await take(fact);
  await fixture.runDue();
  expect(again).toEqual([]);
  return { deadLetters };
}

const moneyOf = async () => {
  const payment = await readPayment(fixture.runtime.db, { tenant: testTenant, orderId });
  const books = await fixture.books();
  expect(books.ledger).toEqual(books.payments);
  expect(books.provider).toEqual(books.payments);
  expect(await fixture.dueLeft()).toEqual([]);
  if (!payment) throw new Error("no payment");
  const { state, authorized, voided, captured, refunded } = payment;
  return { state, held: authorized - voided - captured, taken: captured - refunded };
};

describe.each(["tok_success", "tok_flaky", "tok_delay"])(
  "cancelled, with %s: nothing is held and nothing stays taken",
  (token) => {
    test.each([
      ...orderings(["due", "cancelled"]),
      ...orderings(["due", "asked", "answered", "cancelled"]),
      ...orderings(["due", "asked", "answered", "cancelled", "dispatched"]),
    ])("$name", async ({ order }) => {
      await arrive(order, token);
      expect(await moneyOf()).toMatchObject({ held: 0, taken: 0, state: expect.stringMatching(/VOIDED|REFUNDED/) });
    });
  },
);

describe("not cancelled: goods that left are paid, and goods without money are seen", () => {
  test.each([...orderings(["due", "dispatched"]), ...orderings(["due", "asked", "answered", "dispatched"])])(
    "$name",
    async ({ order }) => {
      const { deadLetters } = await arrive(order, "tok_success");
      const isKnownAtDispatch = order.indexOf("due") < order.indexOf("dispatched");
      expect(deadLetters).toEqual(isKnownAtDispatch ? [] : ["PAYMENT_NOT_FOUND"]);
      expect(await moneyOf()).toEqual(
        isKnownAtDispatch ? { state: "CAPTURED", held: 0, taken: 5_000 } : { state: "AUTHORIZED", held: 5_000, taken: 0 },
      );
    },
  );
});

describe("declined: nothing moves, and a dispatch is seen", () => {
  test.each(orderings(["due", "asked", "answered", "cancelled", "dispatched"]))("$name", async ({ order }) => {
    const { deadLetters } = await arrive(order, "tok_declined");
    expect(deadLetters).toHaveLength(1);
    expect(await moneyOf()).toMatchObject({ held: 0, taken: 0, state: expect.stringMatching(/VOIDED|DECLINED/) });
  });
});

test.each([
  { state: "voided", prepare: () => fixture.cancelOrder(orderId), token: "tok_success" },
  { state: "declined", prepare: () => Promise.resolve(), token: "tok_declined" },
])("a dispatch of an order whose payment is $state is refused", async ({ prepare, token }) => {
  await fixture.askForPayment(orderId, { token });
  await fixture.runDue();
  await prepare();
  await fixture.runDue();
  await expect(fixture.dispatchOrder(orderId)).rejects.toMatchObject({ code: "PAYMENT_NOT_AUTHORIZED" });
});

test("an order is asked to pay once: another event for it is refused", async () => {
  await fixture.askForPayment(orderId);
  await expect(fixture.askForPayment(orderId)).rejects.toMatchObject({ code: "DUPLICATE_PAYMENT" });
  await fixture.runDue();
  expect(await fixture.sentFor(orderId)).toEqual(["PaymentAuthorized"]);
});

test("the same event handled again changes nothing", async () => {
  const hearing = fixture.parts.hears?.find(({ name }) => name === "payments.open");
  if (!hearing) throw new Error("nothing opens payments");
  const handle = hearing.handle.bind(hearing);
  let first: Parameters<typeof handle>[1] | undefined;
  hearing.handle = (tx, events) => handle(tx, (first ??= events));
  await fixture.askForPayment(orderId);
  await fixture.askForPayment(orderId);
  await fixture.runDue();
  await fixture.askForPayment(orderId);
  await fixture.runDue();
  hearing.handle = handle;
  expect(await fixture.sentFor(orderId)).toEqual(["PaymentAuthorized"]);
});

test("a crash between the provider's yes and our commit leaves one authorisation", async () => {
  const before = await fixture.books();
  await fixture.askForPayment(orderId);
  // Its answer is dropped, as by a process that dies.
  await askProvider();
  await askProvider();
  await fixture.runDue();
  const after = await fixture.books();
  expect(after.provider.authorized - before.provider.authorized).toBe(5_000);
  expect(await moneyOf()).toEqual({ state: "AUTHORIZED", held: 5_000, taken: 0 });
});

test("an answer after the deadline is not kept, and the order hears of it once nothing is held", async () => {
  await fixture.askForPayment(orderId, { withinMs: 60_000 });
  const book = await askProvider();
  fixture.advance(61_000);
  await book();
  expect(await fixture.sentFor(orderId)).toEqual([]);
  await fixture.runDue();
  expect(await moneyOf()).toEqual({ state: "DECLINED", held: 0, taken: 0 });
  expect(await fixture.sentFor(orderId)).toEqual(["PaymentDeclined"]);
});

test("an order that is cancelled before the provider was asked is never asked for", async () => {
  const before = await fixture.books();
  await fixture.askForPayment(orderId);
  await fixture.cancelOrder(orderId);
  await fixture.runDue();
  expect(await fixture.books()).toEqual(before);
  expect(await moneyOf()).toMatchObject({ state: "VOIDED" });
  expect(await fixture.sentFor(orderId)).toEqual([]);
});

test("the events of an order are numbered without gaps", async () => {
  await fixture.captureOrder(orderId);
  await fixture.cancelOrder(orderId);
  await fixture.runDue();
  const sent = (await fixture.sent()).filter(({ key }) => key === orderId);
  expect(sent.map(({ typeName }) => typeName.split(".").at(-1))).toEqual([
    "PaymentAuthorized",
    "PaymentCaptured",
    "PaymentRefunded",
  ]);
  expect(sent.map(({ sequence }) => sequence)).toEqual([1, 2, 3]);
  expect(sent.at(-1)?.message).toMatchObject({ amount: { minorUnits: 5_000n }, remaining: { minorUnits: 0n } });
});

test("many orders in one delivery are handled as one set, and two sets that overlap do not block each other", async () => {
  const orderIds = Array.from({ length: 60 }, (_, index) => `${orderId}_${index}`);
  const deadline = { seconds: BigInt(Math.ceil(fixture.runtime.clock.now().getTime() / 1_000) + 60), nanos: 0 };
  const due = orderIds.map((id) => ({
    orderId: id,
    amount: { currencyCode: "JPY", minorUnits: 10n },
    paymentToken: "tok_success",
    deadline,
  }));
  await fixture.deliver(OrderPaymentDueSchema, ...due);
  await fixture.runDue();
  const cancellations = orderIds.map((id) => ({ orderId: id, reason: "EXPIRED" }));
  const twice = [...cancellations, ...cancellations];
  await Promise.all([
    fixture.deliver(OrderCancelledSchema, ...twice),
    fixture.deliver(OrderCancelledSchema, ...twice.toReversed()),
  ]);
  await fixture.runDue();
  const sent = await Promise.all(orderIds.map((id) => fixture.sentFor(id)));
  expect(sent).toEqual(orderIds.map(() => ["PaymentAuthorized", "PaymentVoided"]));
});

test.each([
  { what: "no amount", message: { paymentToken: "tok_success", deadline: { seconds: 1n, nanos: 0 } } },
  {
    what: "an amount of nothing",
    message: { amount: { currencyCode: "EUR", minorUnits: 0n }, deadline: { seconds: 1n, nanos: 0 } },
  },
  { what: "no deadline", message: { amount: { currencyCode: "EUR", minorUnits: 1n } } },
])("a demand with $what can never be handled", async ({ message }) => {
  await expect(fixture.deliver(OrderPaymentDueSchema, { orderId, ...message })).rejects.toMatchObject({
    code: "PAYMENT_DUE_INVALID",
  });
});

describe("returned: what was taken goes back once", () => {
  const giveBack = () => fixture.deliver(OrderReturnedSchema, { orderId });
  const refunds = async () => (await fixture.sentFor(orderId)).filter((name) => name === "PaymentRefunded").length;

  test("after it was taken, and a second word changes nothing", async () => {
    await fixture.captureOrder(orderId);
    for (const _ of [1, 2]) {
      await giveBack();
      await fixture.runDue();
    }
    expect(await moneyOf()).toEqual({ state: "REFUNDED", held: 0, taken: 0 });
    expect(await refunds()).toBe(1);
  });

  test("while it is being taken", async () => {
    await fixture.askForPayment(orderId);
    await fixture.runDue();
    await fixture.dispatchOrder(orderId);
    await giveBack();
    await fixture.runDue();
    expect(await moneyOf()).toEqual({ state: "REFUNDED", held: 0, taken: 0 });
  });

  test("less what an operator has given back before", async () => {
    await fixture.captureOrder(orderId);
    const amount = { currencyCode: "EUR", minorUnits: 1_200n };
    await fixture.client(PaymentsService).refundPayment({ orderId, reason: "broken", requestId: orderId, amount });
    await giveBack();
    await fixture.runDue();
    expect(await moneyOf()).toEqual({ state: "REFUNDED", held: 0, taken: 0 });
    expect(await refunds()).toBe(2);
  });

  test("and an order that has cost nothing has nothing to give back", async () => {
    await giveBack();
    expect(await fixture.dueLeft()).toEqual([]);
  });
});

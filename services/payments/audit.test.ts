// The audit of payments: it finds each kind of error that is planted, and says nothing while payments merely move.
import { sql, type RawBuilder } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { OrderPaymentDueSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { PaymentsAuditService } from "#gen/ordermesh/payments/v1/payments_audit_pb.ts";
import { PaymentsService } from "#gen/ordermesh/payments/v1/payments_service_pb.ts";
import { ShipmentDispatchedSchema } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { refusal } from "../../test/support/refusal.ts";
import { paymentsWith } from "./main.ts";
import { paymentsFixture, type PaymentsFixture } from "./provider/books.fixture.ts";
import { ProviderUnavailable } from "./provider/contract.ts";
import { sandboxProvider } from "./provider/sandbox.ts";

let fixture: PaymentsFixture;
beforeEach(async () => {
  fixture = await paymentsFixture();
});
afterEach(() => fixture.close());

/** The whole audit, page by page. */
async function audit(pageSize = 1_000): Promise<{ rowsChecked: number; found: { check: string; key: string }[]; pages: number }> {
  const client = fixture.client(PaymentsAuditService);
  const found: { check: string; key: string }[] = [];
  let rowsChecked = 0;
  let pageToken = "";
  let pages = 0;
  do {
    const page = await client.auditPayments({ pageSize, pageToken });
    rowsChecked += Number(page.rowsChecked);
    found.push(...page.discrepancies.map(({ check, key }) => ({ check, key })));
    pageToken = page.nextPageToken;
    pages += 1;
  } while (pageToken !== "");
  return { rowsChecked, found, pages };
}

const checksFor = async (orderId: string): Promise<string[]> => {
  const { found } = await audit();
  expect(found.filter(({ key }) => key !== orderId)).toEqual([]);
  return found.map(({ check }) => check);
};

const execute = (statement: RawBuilder<unknown>) => statement.execute(fixture.runtime.db);

/** Payments of every fate, at rest. */
async function everyFate(): Promise<void> {
  for (const order of ["held", "voided", "taken", "refunded", "partly"]) await fixture.askForPayment(`ord_${order}`);
  await fixture.askForPayment("ord_declined", { token: "tok_declined" });
  await fixture.askForPayment("ord_late", { withinMs: -1 });
  await fixture.runDue();
  await fixture.cancelOrder("ord_voided");
  for (const order of ["taken", "refunded", "partly"]) await fixture.dispatchOrder(`ord_${order}`);
  await fixture.runDue();
  await fixture.cancelOrder("ord_refunded");
  const amount = { currencyCode: "EUR", minorUnits: 700n };
  await fixture.client(PaymentsService).refundPayment({ orderId: "ord_partly", amount, reason: "chipped", requestId: "1" });
  await fixture.runDue();
}

test("books that agree have no discrepancy, whatever the payments' fates", async () => {
  await everyFate();
  expect(await audit()).toEqual({ rowsChecked: 7 + 5, found: [], pages: 2 });
});

const planted: { name: string; orderId: string; check: string; error: RawBuilder<unknown>[] }[] = [
  {
    name: "a capture that the ledger does not show",
    orderId: "ord_taken",
    check: "money.ledger",
    error: [
      sql`alter table ledger_entry disable trigger ledger_entry_append_only`,
      sql`delete from ledger_entry where order_id = 'ord_taken' and type = 'CAPTURE'`,
    ],
  },
  {
    name: "a refund that was booked and is gone",
    orderId: "ord_partly",
    check: "money.ledger",
    error: [sql`delete from refund where order_id = 'ord_partly'`],
  },
  {
    name: "a capture of which the provider knows nothing",
    orderId: "ord_taken",
    check: "money.provider",
    error: [
      sql`update sandbox_charge set captured_minor_units = 0
        where reference = (select provider_reference from payment where order_id = 'ord_taken')`,
    ],
  },
  {
    name: "a hold that the provider has taken by itself",
    orderId: "ord_held",
    check: "money.provider",
    error: [
      sql`update sandbox_charge set captured_minor_units = authorized_minor_units
        where reference = (select provider_reference from payment where order_id = 'ord_held')`,
    ],
  },
  {
    name: "a hold that the provider does not know",
    orderId: "ord_held",
    check: "money.provider",
    error: [
      sql`delete from sandbox_charge where reference = (select provider_reference from payment where order_id = 'ord_held')`,
    ],
  },
  {
    name: "more refunded than taken",
    orderId: "ord_refunded",
    check: "money.bounds",
    error: [
      sql`alter table payment drop constraint refunds_within_capture, drop constraint state_and_money_agree`,
      sql`update payment set refunded_minor_units = 6000 where order_id = 'ord_refunded'`,
    ],
  },
  {
    name: "a capture that was ordered and is planned nowhere",
    orderId: "ord_held",
    check: "money.next_step",
    error: [sql`update payment set captures_due = '[{"amount": 5000, "isFinal": true}]' where order_id = 'ord_held'`],
  },
  {
    name: "a void that was decided and is planned nowhere",
    orderId: "ord_held",
    check: "money.next_step",
    error: [sql`update payment set void_reason = 'CANCELLED' where order_id = 'ord_held'`],
  },
  {
    name: "an order that ended while its money stayed",
    orderId: "ord_taken",
    check: "money.next_step",
    error: [sql`update payment set cancel_requested = true where order_id = 'ord_taken'`],
  },
];

test.each(planted)("$name: $check", async ({ orderId, check, error }) => {
  await everyFate();
  for (const statement of error) await execute(statement);
  expect(await checksFor(orderId)).toContain(check);
});

test("a payment that nobody will ask about: money.next_step, and UndoPayment brings it to its end", async () => {
  await fixture.askForPayment("ord_1");
  await execute(sql`delete from due_work`);
  expect(await checksFor("ord_1")).toEqual(["money.next_step"]);
  await fixture.client(PaymentsAuditService).undoPayment({ orderId: "ord_1", reason: "stranded" });
  expect(await checksFor("ord_1")).toEqual([]);
  await fixture.runDue();
  const { payments } = await fixture.client(PaymentsAuditService).auditOrderPayments({ orderIds: ["ord_1"] });
  expect(payments).toMatchObject([{ orderId: "ord_1", captured: { minorUnits: 0n }, undoing: false }]);
  expect((await fixture.books()).provider.authorized).toBe(0);
});

test("a refund that is due and planned nowhere: money.next_step, and UndoPayment plans it once", async () => {
  await fixture.captureOrder("ord_1");
  await fixture.client(PaymentsService).refundPayment({ orderId: "ord_1", reason: "broken", requestId: "1" });
  await execute(sql`delete from due_work`);
  expect(await checksFor("ord_1")).toEqual(["money.next_step"]);
  const undo = () => fixture.client(PaymentsAuditService).undoPayment({ orderId: "ord_1", reason: "stranded" });
  await Promise.all(Array.from({ length: 10 }, undo));
  expect(await fixture.dueLeft()).toEqual(["payments.refund"]);
  await fixture.runDue();
  expect((await fixture.books()).provider).toMatchObject({ captured: 5_000, refunded: 5_000 });
  expect(await checksFor("ord_1")).toEqual([]);
});

test("a charge that no payment knows: money.provider by the provider's reference", async () => {
  await everyFate();
  const sandbox = sandboxProvider(fixture.runtime.db, { delayMs: 0 })("demo");
  const amount = { currencyCode: "EUR", minorUnits: 1 };
  const made = await sandbox.authorize({ idempotencyKey: "pay_nobody:authorize", amount, token: "tok_success" });
  const { found } = await audit();
  expect(found).toEqual([{ check: "money.provider", key: made.kind === "authorized" ? made.reference : "" }]);
});

test("a second charge for a payment that has one: money.provider", async () => {
  await everyFate();
  await execute(sql`
    insert into sandbox_charge (tenant_id, reference, currency_code, authorized_minor_units) values ('demo', 'sbx_2', 'EUR', 5000)`);
  await execute(sql`
    insert into sandbox_operation (tenant_id, idempotency_key, kind, fingerprint, outcome, reference)
    select 'demo', payment_id || ':authorize', 'authorize', 'x', 'AUTHORIZED', 'sbx_2' from payment where order_id = 'ord_late'`);
  expect(await checksFor("ord_late")).toEqual(["money.provider"]);
});

test.each([1, 3, 4, 100])("pages of %i show every payment and every charge once", async (pageSize) => {
  await everyFate();
  await execute(sql`update payment set captures_due = '[{"amount": 5000, "isFinal": true}]' where order_id = 'ord_held'`);
  const { rowsChecked, found } = await audit(pageSize);
  expect(rowsChecked).toBe(12);
  expect(found).toEqual([{ check: "money.next_step", key: "ord_held" }]);
});

test("a page token that no page has given is refused", async () => {
  const refused = fixture.client(PaymentsAuditService).auditPayments({ pageToken: "!" });
  expect(await refusal(refused)).toMatchObject({ reason: "PAGE_TOKEN_INVALID" });
});

describe("while payments move", () => {
  test("hundreds on their way through every fate have no discrepancy at any moment", async () => {
    const orderIds = Array.from({ length: 150 }, (_, index) => `ord_${index}`);
    const movement = { isOver: false };
    const move = async () => {
      try {
        const deadline = { seconds: BigInt(Math.floor(Date.now() / 1_000) + 900) };
        const amount = { currencyCode: "EUR", minorUnits: 5_000n };
        const due = orderIds.map((orderId) => ({ orderId, amount, deadline, paymentToken: "tok_success" }));
        await fixture.deliver(OrderPaymentDueSchema, ...due);
        await fixture.runDue();
        await fixture.deliver(
          ShipmentDispatchedSchema,
          ...orderIds.slice(0, 100).map((orderId) => ({ orderId, shipmentId: "s" })),
        );
        await fixture.runDue();
        for (const orderId of orderIds.slice(50)) await fixture.cancelOrder(orderId);
        await fixture.runDue();
      } finally {
        movement.isOver = true;
      }
    };
    const watch = async () => {
      let audits = 0;
      while (!movement.isOver) {
        expect((await audit(40)).found).toEqual([]);
        audits += 1;
      }
      return audits;
    };
    const [, audits] = await Promise.all([move(), watch()]);
    expect(audits).toBeGreaterThan(3);
    expect(await audit()).toMatchObject({ rowsChecked: 300, found: [] });
    expect((await fixture.books()).provider).toEqual({
      authorized: 750_000,
      voided: 250_000,
      captured: 500_000,
      refunded: 250_000,
    });
  }, 60_000);

  test("what moves between our books and the provider's answer is no discrepancy", async () => {
    await fixture.close();
    let meanwhile = async () => {};
    const definition = paymentsWith(({ db }) => (tenant) => {
      const sandbox = sandboxProvider(db, { delayMs: 0 })(tenant);
      const statement: typeof sandbox.statement = async (references) => {
        await meanwhile();
        return sandbox.statement(references);
      };
      return { ...sandbox, statement };
    });
    fixture = await paymentsFixture({ definition });
    await fixture.askForPayment("ord_1");
    await fixture.runDue();
    meanwhile = async () => {
      await fixture.dispatchOrder("ord_1");
      await fixture.runDue();
    };
    expect((await audit()).found).toEqual([]);
    meanwhile = async () => {};
    expect((await audit()).found).toEqual([]);
  });
});

test("without the provider an audit is refused as UNAVAILABLE, not told as good", async () => {
  await fixture.close();
  const definition = paymentsWith(({ db }) => (tenant) => ({
    ...sandboxProvider(db, { delayMs: 0 })(tenant),
    statement: () => Promise.reject(new ProviderUnavailable("the line is down")),
  }));
  fixture = await paymentsFixture({ definition });
  await fixture.askForPayment("ord_1");
  await fixture.runDue();
  expect(await refusal(audit())).toMatchObject({ reason: "DEPENDENCY_UNAVAILABLE" });
});

test("a provider that cannot list its charges is audited by its statements alone", async () => {
  await fixture.close();
  const definition = paymentsWith(({ db }) => (tenant) => {
    const { listCharges: _, ...provider } = sandboxProvider(db, { delayMs: 0 })(tenant);
    return provider;
  });
  fixture = await paymentsFixture({ definition });
  await fixture.askForPayment("ord_1");
  await fixture.runDue();
  expect(await audit()).toEqual({ rowsChecked: 1, found: [], pages: 1 });
});

test("held money is listed oldest order first, until it is taken or given back", async () => {
  await everyFate();
  await fixture.askForPayment("ord_a");
  await fixture.runDue();
  const client = fixture.client(PaymentsAuditService);
  const first = await client.listHeldPayments({ pageSize: 1 });
  expect(first.payments).toMatchObject([{ orderId: "ord_a", amount: { minorUnits: 5_000n }, undoing: false }]);
  const second = await client.listHeldPayments({ pageSize: 1, pageToken: first.nextPageToken });
  expect(second).toMatchObject({ payments: [{ orderId: "ord_held" }], nextPageToken: "" });
});

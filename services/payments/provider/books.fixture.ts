// A payments service whose time the tests move, and a look into its books and into the provider's.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { sql } from "kysely";
import { OrderCancelledSchema, OrderPaymentDueSchema } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { ShipmentDispatchedSchema } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { serviceFixture, type ServiceFixture } from "../../../test/support/service-fixture.ts";
import { payments } from "../main.ts";
import type { PaymentsTables } from "../store/payments.ts";
import type { ServiceDefinition } from "#runtime/service.ts";

/** Sums over everything, in minor units. */
export interface Sums {
  authorized: number;
  voided: number;
  captured: number;
  refunded: number;
}

export interface PaymentsFixture extends ServiceFixture<PaymentsTables> {
  /** Lets time pass. */
  advance(ms: number): void;
  askForPayment(orderId: string, ask?: { token?: string; amount?: number; currency?: string; withinMs?: number }): Promise<void>;
  cancelOrder(orderId: string): Promise<void>;
  dispatchOrder(orderId: string): Promise<void>;
  /** Brings an order as far as CAPTURED. */
  captureOrder(orderId: string, ask?: { amount?: number; currency?: string }): Promise<void>;
  /** Names of the events sent for an order. */
  sentFor(orderId: string): Promise<string[]>;
  /** What we believe, what our ledger says, and what the provider's own books say. */
  books(): Promise<{ payments: Sums; ledger: Sums; provider: Sums }>;
  /** Kinds of the due work that is left. */
  dueLeft(): Promise<string[]>;
}

const zeroSums: Sums = { authorized: 0, voided: 0, captured: 0, refunded: 0 };

export async function paymentsFixture(
  options: { env?: Record<string, string>; definition?: ServiceDefinition<PaymentsTables> } = {},
): Promise<PaymentsFixture> {
  let passedMs = 0;
  const clock = { now: () => new Date(Date.now() + passedMs) };
  const env = { ORDERMESH_SANDBOX_DELAY_MS: "1", ...options.env };
  const fixture = await serviceFixture(options.definition ?? payments, { env, clock });
  const { db } = fixture.runtime;

  const askForPayment: PaymentsFixture["askForPayment"] = (orderId, ask = {}) => {
    const { token = "tok_success", amount = 5_000, currency = "EUR", withinMs = 900_000 } = ask;
    return fixture.deliver(OrderPaymentDueSchema, {
      orderId,
      amount: { currencyCode: currency, minorUnits: BigInt(amount) },
      paymentToken: token,
      customerId: "ada",
      deadline: timestampFromDate(new Date(clock.now().getTime() + withinMs)),
    });
  };
  const dispatchOrder = (orderId: string) => fixture.deliver(ShipmentDispatchedSchema, { orderId, shipmentId: "shp_1" });

  // Work that is planned while this runs is due a moment after its start, and is meant too.
  const runDue = (until = new Date(clock.now().getTime() + 1_000)) => fixture.runDue(until);

  return {
    ...fixture,
    runDue,
    advance: (ms) => (passedMs += ms),
    askForPayment,
    cancelOrder: (orderId) => fixture.deliver(OrderCancelledSchema, { orderId, reason: "CANCELLED_BY_REQUEST" }),
    dispatchOrder,
    captureOrder: async (orderId, ask = {}) => {
      await askForPayment(orderId, ask);
      await runDue();
      await dispatchOrder(orderId);
      await runDue();
    },
    sentFor: async (orderId) =>
      (await fixture.sent()).filter(({ key }) => key === orderId).map(({ typeName }) => typeName.split(".").at(-1) ?? ""),
    books: async () => {
      const ours = await sql<Sums>`
        select sum(authorized_minor_units)::bigint as authorized, sum(voided_minor_units)::bigint as voided,
          sum(captured_minor_units)::bigint as captured, sum(refunded_minor_units)::bigint as refunded
        from payment`.execute(db);
      const ledger = await sql<Sums>`
        select coalesce(sum(amount_minor_units) filter (where type = 'AUTHORIZATION'), 0)::bigint as authorized,
          coalesce(sum(amount_minor_units) filter (where type = 'VOID'), 0)::bigint as voided,
          coalesce(sum(amount_minor_units) filter (where type = 'CAPTURE'), 0)::bigint as captured,
          coalesce(sum(amount_minor_units) filter (where type = 'REFUND'), 0)::bigint as refunded
        from ledger_entry`.execute(db);
      const provider = await sql<Sums>`
        select coalesce(sum(authorized_minor_units), 0)::bigint as authorized,
          coalesce(sum(voided_minor_units), 0)::bigint as voided,
          coalesce(sum(captured_minor_units), 0)::bigint as captured,
          coalesce(sum(refunded_minor_units), 0)::bigint as refunded
        from sandbox_charge`.execute(db);
      return {
        payments: ours.rows[0] ?? zeroSums,
        ledger: ledger.rows[0] ?? zeroSums,
        provider: provider.rows[0] ?? zeroSums,
      };
    },
    dueLeft: async () => {
      const left = await sql<{ kind: string }>`select kind from due_work order by kind`.execute(db);
      return left.rows.map(({ kind }) => kind);
    },
  };
}

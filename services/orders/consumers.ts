// What the other services report about orders and about their customers.
import type { Transaction } from "kysely";
import { CustomerErasedSchema } from "#gen/ordermesh/customers/events/v1/customers_events_pb.ts";
import {
  FraudClearedSchema,
  FraudRejectedSchema,
  FraudReviewRequiredSchema,
} from "#gen/ordermesh/fraud/events/v1/fraud_events_pb.ts";
import {
  StockInsufficientSchema,
  StockReleasedSchema,
  StockReservedSchema,
} from "#gen/ordermesh/inventory/events/v1/inventory_events_pb.ts";
import {
  PaymentActionRequiredSchema,
  PaymentAuthorizedSchema,
  PaymentCapturedSchema,
  PaymentDeclinedSchema,
  PaymentRefundedSchema,
  PaymentVoidedSchema,
} from "#gen/ordermesh/payments/events/v1/payments_events_pb.ts";
import {
  ShipmentCreatedSchema,
  ShipmentDeliveredSchema,
  ShipmentDeliveryFailedSchema,
  ShipmentDispatchedSchema,
  ShipmentReturnedSchema,
  ShipmentStoppedSchema,
} from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import type { Clock } from "#runtime/clock.ts";
import { hear, hearFacts, RefusedEvent, tells, type Hearing, type ReceivedEvent, type Telling } from "#runtime/events/hearing.ts";
import type { Logger } from "#runtime/log.ts";
import { takeFact, type Announcement, type Fact } from "./domain/facts.ts";
import { announceAndSave } from "./events/announce.ts";
import type { Announced } from "./events/announced.ts";
import { planErasures } from "./events/erase.ts";
import { keyOf, lockOrders, type LockedOrder } from "./store/progress.ts";
import type { OrdersTables } from "./store/tables.ts";

/** A fact without what every event has anyway. */
type Told = Fact extends infer One
  ? One extends Fact
    ? Omit<One, "sequence" | "time" | "detail"> & { detail?: string }
    : never
  : never;

/** Facts about orders are taken in together. */
export function consumers({ clock, log }: { clock: Clock; log: Logger }): Hearing[] {
  return [
    hearFacts<OrdersTables, Told>({
      name: "orders.take_facts",
      tellings: [...inventoryTellings, ...fraudTellings, ...paymentTellings, ...shippingTellings],
      handle: (tx, events) => takeFacts(tx, events, { now: clock.now(), log }),
    }),
    hear<typeof CustomerErasedSchema, OrdersTables>({
      name: "orders.erase",
      event: CustomerErasedSchema,
      // In a transaction of its own, which begins with a lock that whoever makes orders final takes last.
      handle: (tx, events) =>
        planErasures(
          tx,
          events.map(({ tenant, key, cause }) => ({ tenant, customerId: key, cause })),
        ),
    }),
  ];
}

const inventoryTellings: Telling<Told>[] = [
  tells(StockReservedSchema, () => ({ reporter: "inventory", status: "reserved" })),
  tells(StockInsufficientSchema, ({ shortages }) => ({
    reporter: "inventory",
    status: "insufficient",
    detail: shortages.map((short) => `${short.sku}: ${short.requested} asked, ${short.available} available`).join("; "),
  })),
  tells(StockReleasedSchema, ({ reason }) => ({ reporter: "inventory", status: "released", detail: reason })),
];

const fraudTellings: Telling<Told>[] = [
  tells(FraudClearedSchema, () => ({ reporter: "fraud", status: "cleared" })),
  tells(FraudReviewRequiredSchema, () => ({ reporter: "fraud", status: "review" })),
  tells(FraudRejectedSchema, () => ({ reporter: "fraud", status: "rejected" })),
];

const paymentTellings: Telling<Told>[] = [
  tells(PaymentActionRequiredSchema, () => ({ reporter: "payments", status: "action_required" })),
  tells(PaymentAuthorizedSchema, () => ({ reporter: "payments", status: "authorized" })),
  tells(PaymentDeclinedSchema, ({ code }) => ({ reporter: "payments", status: "declined", detail: code })),
  tells(PaymentCapturedSchema, () => ({ reporter: "payments", status: "captured" })),
  tells(PaymentVoidedSchema, () => ({ reporter: "payments", status: "voided" })),
  tells(PaymentRefundedSchema, () => ({ reporter: "payments", status: "refunded" })),
];

const shippingTellings: Telling<Told>[] = [
  tells(ShipmentCreatedSchema, ({ trackingNumber }) => ({ reporter: "shipping", status: "created", trackingNumber })),
  tells(ShipmentDispatchedSchema, () => ({ reporter: "shipping", status: "dispatched" })),
  tells(ShipmentDeliveredSchema, () => ({ reporter: "shipping", status: "delivered" })),
  tells(ShipmentDeliveryFailedSchema, () => ({ reporter: "shipping", status: "delivery_failed" })),
  tells(ShipmentReturnedSchema, () => ({ reporter: "shipping", status: "returned" })),
  tells(ShipmentStoppedSchema, ({ reason }) => ({ reporter: "shipping", status: "stopped", detail: reason })),
];

async function takeFacts(
  tx: Transaction<OrdersTables>,
  events: readonly ReceivedEvent<Told>[],
  { now, log }: { now: Date; log: Logger },
): Promise<void> {
  const orders = await lockOrders(
    tx,
    events.map((event) => ({ tenant: event.tenant, orderId: event.key })),
  );
  const announced: Announced[] = [];
  const changed = new Set<LockedOrder>();
  for (const event of events) {
    const order = orders.get(keyOf({ tenant: event.tenant, orderId: event.key }));
    if (!order) throw new RefusedEvent("ORDER_UNKNOWN", `no order ${event.key}`);
    const fact = factOf(event, order);
    tellOfGap(order, fact, log);
    const announcements = applyTo(order, fact, changed);
    announced.push(...announcements.map((announcement) => ({ order, announcement, cause: event.cause })));
  }
  await announceAndSave(tx, { changed: [...changed], announced, now });
}

function factOf(event: ReceivedEvent<Told>, order: LockedOrder): Fact {
  const told = event.message;
  // A sender that does not count is taken at its word: the order in which it arrives.
  const sequence = event.sequence || order.progress.heard[told.reporter] + 1;
  return { detail: "", ...told, sequence, time: event.time };
}

function applyTo(order: LockedOrder, fact: Fact, changed: Set<LockedOrder>): Announcement[] {
  const outcome = takeFact(order.progress, fact);
  switch (outcome.kind) {
    case "unchanged":
      return [];
    case "conflict":
      throw new RefusedEvent(outcome.code, outcome.message);
    case "changed":
      order.progress = outcome.progress;
      changed.add(order);
      return outcome.announcements;
  }
}

/** Orders hears all that its reporters say about an order, so a number that is left out is late or lost. */
function tellOfGap(order: LockedOrder, { reporter, sequence }: Fact, log: Logger): void {
  const heard = order.progress.heard[reporter];
  if (sequence > heard + 1) log.warn({ orderId: order.orderId, reporter, heard, sequence }, "event_sequence_gap");
}

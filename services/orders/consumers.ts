// What the other services report about orders.
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Transaction } from "kysely";
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
  PaymentAuthorizedSchema,
  PaymentCapturedSchema,
  PaymentDeclinedSchema,
  PaymentRefundedSchema,
  PaymentVoidedSchema,
} from "#gen/ordermesh/payments/events/v1/payments_events_pb.ts";
import {
  ShipmentCreatedSchema,
  ShipmentDeliveredSchema,
  ShipmentDispatchedSchema,
  ShipmentStoppedSchema,
} from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import type { Clock } from "#runtime/clock.ts";
import { hear, RefusedEvent, type Hearing, type ReceivedEvent } from "#runtime/events/hearing.ts";
import type { Cause } from "#runtime/events/outgoing.ts";
import { takeFact, type Announcement, type Fact } from "./domain/facts.ts";
import { announceAndSave, type Announced } from "./events/announce.ts";
import { keyOf, lockOrders, type LockedOrder } from "./store/progress.ts";
import type { OrdersTables } from "./store/tables.ts";

/** A fact without what every event has anyway. */
type Told = Fact extends infer One
  ? One extends Fact
    ? Omit<One, "sequence" | "time" | "detail"> & { detail?: string }
    : never
  : never;

export function consumers({ clock }: { clock: Clock }): Hearing[] {
  const fact = <Desc extends DescMessage>(event: Desc, tell: (message: MessageShape<Desc>) => Told): Hearing =>
    hear<Desc, OrdersTables>({
      name: `orders.${event.name}`,
      event,
      handle: (tx, events) => takeFacts(tx, events, tell, clock.now()),
    });
  return [
    fact(StockReservedSchema, () => ({ reporter: "inventory", status: "reserved" })),
    fact(StockInsufficientSchema, ({ shortages }) => ({
      reporter: "inventory",
      status: "insufficient",
      detail: shortages.map((short) => `${short.sku}: ${short.requested} asked, ${short.available} available`).join("; "),
    })),
    fact(StockReleasedSchema, ({ reason }) => ({ reporter: "inventory", status: "released", detail: reason })),
    fact(FraudClearedSchema, () => ({ reporter: "fraud", status: "cleared" })),
    fact(FraudReviewRequiredSchema, () => ({ reporter: "fraud", status: "review" })),
    fact(FraudRejectedSchema, () => ({ reporter: "fraud", status: "rejected" })),
    fact(PaymentAuthorizedSchema, () => ({ reporter: "payments", status: "authorized" })),
    fact(PaymentDeclinedSchema, ({ code }) => ({ reporter: "payments", status: "declined", detail: code })),
    fact(PaymentCapturedSchema, () => ({ reporter: "payments", status: "captured" })),
    fact(PaymentVoidedSchema, () => ({ reporter: "payments", status: "voided" })),
    fact(PaymentRefundedSchema, () => ({ reporter: "payments", status: "refunded" })),
    fact(ShipmentCreatedSchema, ({ trackingNumber }) => ({ reporter: "shipping", status: "created", trackingNumber })),
    fact(ShipmentDispatchedSchema, () => ({ reporter: "shipping", status: "dispatched" })),
    fact(ShipmentDeliveredSchema, () => ({ reporter: "shipping", status: "delivered" })),
    fact(ShipmentStoppedSchema, ({ reason }) => ({ reporter: "shipping", status: "stopped", detail: reason })),
  ];
}

async function takeFacts<Message>(
  tx: Transaction<OrdersTables>,
  events: readonly ReceivedEvent<Message>[],
  tell: (message: Message) => Told,
  now: Date,
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
    const announcements = applyTo(order, factOf(event, tell, order), changed);
    announced.push(...announcements.map((announcement) => ({ order, announcement, cause: event.cause satisfies Cause })));
  }
  await announceAndSave(tx, { changed: [...changed], announced, now });
}

function factOf<Message>(event: ReceivedEvent<Message>, tell: (message: Message) => Told, order: LockedOrder): Fact {
  const told = tell(event.message);
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

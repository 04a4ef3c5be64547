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
  ShipmentNumberChangedSchema,
  ShipmentReturnedSchema,
  ShipmentStoppedSchema,
  type ParcelStanding,
} from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import type { Clock } from "#runtime/clock.ts";
import { hear, hearFacts, RefusedEvent, tells, type Hearing, type ReceivedEvent, type Telling } from "#runtime/events/hearing.ts";
import type { Logger } from "#runtime/log.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import { takeFact, type Announcement, type Fact, type ParcelBack } from "./domain/facts.ts";
import type { OrderParcel, ShipmentStatus } from "./domain/order.ts";
import { parcelRefund } from "./domain/parcel-returns.ts";
import { isParcelState, statusOf } from "./domain/parcels.ts";
import { announceAndSave } from "./events/announce.ts";
import type { Announced } from "./events/announced.ts";
import { planErasures } from "./events/erase.ts";
import { stopParcelKind } from "./store/audit.ts";
import { keyOf, lockOrders, readLines, type LockedOrder } from "./store/progress.ts";
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
  tells(ShipmentCreatedSchema, ({ trackingNumber, parcels }) => parcelFact(parcels, "created", { trackingNumber })),
  tells(ShipmentNumberChangedSchema, ({ trackingNumber, parcels }) => parcelFact(parcels, "created", { trackingNumber })),
  tells(ShipmentDispatchedSchema, ({ parcels }) => parcelFact(parcels, "dispatched")),
  tells(ShipmentDeliveredSchema, ({ parcels }) => parcelFact(parcels, "delivered")),
  tells(ShipmentDeliveryFailedSchema, ({ parcels }) => parcelFact(parcels, "delivery_failed")),
  tells(ShipmentReturnedSchema, ({ parcels }) => parcelFact(parcels, "returned")),
  tells(ShipmentStoppedSchema, ({ reason, parcels }) => parcelFact(parcels, "stopped", { detail: reason })),
];

/** Of one parcel what it says is the order's; of several what they come to together. */
function parcelFact(
  standings: readonly ParcelStanding[],
  status: ShipmentStatus,
  also: { trackingNumber?: string; detail?: string } = {},
): Told {
  if (standings.length === 0) return { reporter: "shipping", status, ...also };
  const parcels = standings.map(({ shipmentId, state, trackingNumber, lines }): OrderParcel => {
    if (!isParcelState(state)) throw new RefusedEvent("PARCEL_STATE_UNKNOWN", `parcel ${shipmentId} is "${state}"`);
    return { shipmentId, state, trackingNumber, lines: lines.map(({ sku, quantity }) => ({ sku, quantity: Number(quantity) })) };
  });
  // The order's number is the first parcel's.
  const { trackingNumber = "" } = parcels[0] ?? {};
  return { reporter: "shipping", ...also, status: statusOf(parcels), parcels, trackingNumber };
}

async function takeFacts(
  tx: Transaction<OrdersTables>,
  events: readonly ReceivedEvent<Told>[],
  { now, log }: { now: Date; log: Logger },
): Promise<void> {
  const orders = await lockOrders(
    tx,
    events.map((event) => ({ tenant: event.tenant, orderId: event.key })),
  );
  const taken: Taken = { changed: new Set(), announced: [], stops: [] };
  for (const event of events) {
    const order = orders.get(keyOf({ tenant: event.tenant, orderId: event.key }));
    if (!order) throw new RefusedEvent("ORDER_UNKNOWN", `no order ${event.key}`);
    const fact = factOf(event, order);
    tellOfGap(order, fact, log);
    apply(taken, { order, fact, cause: event.cause });
  }
  const { changed, announced, stops } = taken;
  await announceAndSave(tx, { changed: [...changed], announced: await withRefunds(tx, announced), now });
  await planDue(
    tx,
    stops.map(({ order: { tenant, orderId: key }, cause }) => ({ kind: stopParcelKind, tenant, key, due: { inMs: 0 }, cause })),
  );
}

/** What facts have come to. */
interface Taken {
  changed: Set<LockedOrder>;
  announced: Pending[];
  /** Orders whose parcels must not leave. */
  stops: Pick<Announced, "order" | "cause">[];
}

/** What is to be told, where it is not known yet what is given back for parcels. */
type Pending = Omit<Announced, "announcement"> & { announcement: Announcement | ParcelBack };

async function withRefunds(tx: Transaction<OrdersTables>, announced: readonly Pending[]): Promise<Announced[]> {
  const backs = announced.filter(({ announcement }) => typeof announcement === "object");
  const lines = await readLines(
    tx,
    backs.map(({ order }) => order),
  );
  return announced.map(({ order, announcement, cause }) => {
    if (typeof announcement !== "object") return { order, announcement, cause };
    const items = (lines.get(keyOf(order)) ?? []).map((line) => ({ ...line, title: "" }));
    const refund = parcelRefund(items, order.progress.parcels, announcement);
    return { order, announcement: { returnedParcel: announcement.returnedParcel, refund }, cause };
  });
}

function factOf(event: ReceivedEvent<Told>, order: LockedOrder): Fact {
  const told = event.message;
  // A sender that does not count is taken at its word: the order in which it arrives.
  const sequence = event.sequence || order.progress.heard[told.reporter] + 1;
  return { detail: "", ...told, sequence, time: event.time };
}

function apply(taken: Taken, { order, fact, cause }: { order: LockedOrder; fact: Fact; cause: Announced["cause"] }): void {
  const outcome = takeFact(order.progress, fact);
  switch (outcome.kind) {
    case "unchanged":
      return;
    case "conflict":
      throw new RefusedEvent(outcome.code, outcome.message);
    case "changed": {
      order.progress = outcome.progress;
      taken.changed.add(order);
      const told = [...outcome.parcelsBack, ...outcome.announcements];
      taken.announced.push(...told.map((announcement) => ({ order, announcement, cause })));
      if (outcome.stopsParcel) taken.stops.push({ order, cause });
    }
  }
}

/** Orders hears all that its reporters say about an order, so a number that is left out is late or lost. */
function tellOfGap(order: LockedOrder, { reporter, sequence }: Fact, log: Logger): void {
  const heard = order.progress.heard[reporter];
  if (sequence > heard + 1) log.warn({ orderId: order.orderId, reporter, heard, sequence }, "event_sequence_gap");
}

// Orders that are ready become parcels; orders that end keep theirs, or never get one; those of erased customers say no more where
// theirs went. New shops get rates.
import type { Transaction } from "kysely";
import { TenantCreatedSchema, type TenantCreated } from "#gen/ordermesh/identity/events/v1/identity_events_pb.ts";
import {
  OrderChangedSchema,
  OrderChangeRefusedSchema,
  type OrderChanged,
} from "#gen/ordermesh/orders/events/v1/order_changed_pb.ts";
import {
  OrderCancelledSchema,
  OrderErasedSchema,
  OrderReadySchema,
  type OrderCancelled,
  type OrderReady,
} from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { hear, hearFacts, RefusedEvent, tells, type Hearing, type ReceivedEvent } from "#runtime/events/hearing.ts";
import { newId } from "#runtime/ids.ts";
import type { Logger } from "#runtime/log.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { Carriers } from "./carrier/contract.ts";
import { tellingNumber } from "./domain/booking.ts";
import { changeContents, type Contents } from "./domain/contents.ts";
import { defaultRates } from "./domain/default-rates.ts";
import { stepsOf } from "./domain/parcels.ts";
import { stopThoseHere } from "./domain/stopping.ts";
import {
  hasLeft,
  isUnbooked,
  makeParcel,
  onReady,
  stopBeforeParcel,
  type ReadyOrder,
  type ShippingMethod,
} from "./domain/shipment.ts";
import { rebook, type Relabelled } from "./store/bookings.ts";
import { endHolds, endHoldsOf, saveContents } from "./store/holds.ts";
import { planStep, tellOf, type Step } from "./store/outbox.ts";
import { eraseShipments } from "./store/personal-data.ts";
import { prepareRates } from "./store/rates.ts";
import { insertShipments, keyOf, lockParcels, saveSteps, type Tables } from "./store/shipments.ts";

export function shippingHears({ clock, log }: Pick<ServiceRuntime<Tables>, "clock" | "log">, carriers: Carriers): Hearing[] {
  return [
    hear<typeof OrderReadySchema, Tables>({
      name: "shipping.make_parcel",
      event: OrderReadySchema,
      handle: (tx, events) => makeParcels(tx, events, { carriers, now: clock.now() }),
    }),
    hear<typeof OrderCancelledSchema, Tables>({
      name: "shipping.stop_parcel",
      event: OrderCancelledSchema,
      handle: (tx, events) => stopParcels(tx, events, { log, now: clock.now() }),
    }),
    hearFacts<Tables, OrderChange>({
      name: "shipping.change_parcel",
      tellings: [
        tells(OrderChangedSchema, (changed) => ({ changeId: changed.changeId, changed })),
        tells(OrderChangeRefusedSchema, ({ changeId }) => ({ changeId, changed: undefined })),
      ],
      handle: (tx, events) => changeParcels(tx, events, { carriers, now: clock.now() }),
    }),
    hear<typeof OrderErasedSchema, Tables>({
      name: "shipping.erase",
      event: OrderErasedSchema,
      handle: (tx, events) =>
        eraseShipments(
          tx,
          events.map(({ tenant, key }) => ({ tenant, orderId: key })),
        ),
    }),
    hear<typeof TenantCreatedSchema, Tables>({
      name: "shipping.prepare_tenant",
      event: TenantCreatedSchema,
      handle: (tx, events) => prepareTenants(tx, events, clock.now()),
    }),
  ];
}

/** Rows can be made only for the tenant whose event it is, so that is who gets them. */
async function prepareTenants(tx: Transaction<Tables>, events: ReceivedEvent<TenantCreated>[], now: Date): Promise<void> {
  for (const { tenant } of events) await prepareRates(tx, { tenant, rates: defaultRates, now });
}

async function makeParcels(
  tx: Transaction<Tables>,
  events: ReceivedEvent<OrderReady>[],
  { carriers, now }: { carriers: Carriers; now: Date },
): Promise<void> {
  const orders = await withoutKnown(tx, events.map(readyOrder));
  const parcels = orders.map((order) => {
    const shipmentId = newId("shp");
    const carrier = carriers.forMethod(order.method);
    return makeParcel(order, { shipmentId, carrier: carrier.name, trackingNumber: carrier.trackingNumber(shipmentId), now });
  });
  // A parcel that is not inserted was stopped by an RPC a moment ago.
  const made = await insertShipments(tx, parcels);
  const causes = new Map(events.map(({ id, cause }) => [id, cause]));
  const steps = made.flatMap((shipment): Step[] => {
    const cause = causes.get(shipment.readyEventId ?? "");
    return cause ? stepsOf([], [shipment]).map((step) => ({ ...step, cause })) : [];
  });
  const paceOf = (name: string) => carriers.named(name)?.pace;
  const unbooked = steps.flatMap(({ shipment, cause }) => (isUnbooked(shipment) ? [{ after: shipment, cause }] : []));
  await Promise.all([planStep(tx, steps, { step: "dispatch", paceOf }), rebook(tx, unbooked, now), tellOf(tx, steps, now)]);
}

/** Leaves out orders that were stopped and events that were handled before. Throws where an order is ready a second time. */
async function withoutKnown(tx: Transaction<Tables>, orders: ReadyOrder[]): Promise<ReadyOrder[]> {
  const known = new Map<string, readonly { readyEventId: string | null }[]>(await lockParcels(tx, orders));
  return orders.filter((order) => {
    const outcome = onReady(known.get(keyOf(order))?.[0], order.eventId);
    if (outcome === "duplicate") {
      throw new RefusedEvent("DUPLICATE_SHIPMENT", `order ${order.orderId} was ready before, by another event`);
    }
    if (outcome === "make_parcel") known.set(keyOf(order), [{ readyEventId: order.eventId }]);
    return outcome === "make_parcel";
  });
}

function readyOrder({ id, tenant, message }: ReceivedEvent<OrderReady>): ReadyOrder {
  const { orderId, customerId, priority, lines, shippingAddress } = message;
  return {
    tenant,
    orderId,
    customerId,
    // What is not known is nothing special.
    priority: priority === "RUSH" ? "RUSH" : "NORMAL",
    lines: lines.map(({ sku, quantity }) => ({ sku, quantity: Number(quantity) })),
    eventId: id,
    method: methodOf(message),
    address: shippingAddress ? addressOf(shippingAddress) : null,
  };
}

function methodOf({ orderId, shippingMethod }: Pick<OrderReady, "orderId" | "shippingMethod">): ShippingMethod {
  switch (shippingMethod) {
    case "":
    case "STANDARD":
      return "STANDARD";
    case "EXPRESS":
      return "EXPRESS";
    default:
      throw new RefusedEvent("UNKNOWN_SHIPPING_METHOD", `order ${orderId} is to be sent by "${shippingMethod}"`);
  }
}

function addressOf(address: NonNullable<OrderReady["shippingAddress"]>): NonNullable<ReadyOrder["address"]> {
  const { recipient, lines, city, postalCode, region, countryCode } = address;
  return { recipient, lines, city, postalCode, region, countryCode };
}

/** A change that is over; what it has changed is undefined where nothing. */
interface OrderChange {
  changeId: string;
  changed: OrderChanged | undefined;
}

/** Parcels get what their orders have become, and may leave again. */
async function changeParcels(
  tx: Transaction<Tables>,
  events: ReceivedEvent<OrderChange>[],
  { carriers, now }: { carriers: Carriers; now: Date },
): Promise<void> {
  const keys = events.map(({ tenant, key }) => ({ tenant, orderId: key }));
  const parcels = await lockParcels(tx, keys);
  const before = new Map([...parcels].flatMap(([key, [first]]) => (first ? [[key, first] as const] : [])));
  const after = new Map(before);
  for (const { tenant, key: orderId, message } of events) {
    if (!message.changed) continue;
    if ((parcels.get(keyOf({ tenant, orderId }))?.length ?? 0) > 1) {
      throw new RefusedEvent("CHANGED_AFTER_SPLIT", `order ${orderId} leaves in several parcels, which have what it was before`);
    }
    const outcome = changeContents(after.get(keyOf({ tenant, orderId })), contentsOf(message.changed), carriers.forMethod);
    if (outcome.kind === "too_late") {
      throw new RefusedEvent("CHANGED_AFTER_DISPATCH", `the parcel of order ${orderId} has left as the order was before`);
    }
    if (outcome.kind === "changed") after.set(keyOf({ tenant, orderId }), outcome.shipment);
  }
  const causes = new Map(events.map(({ tenant, key, cause }) => [keyOf({ tenant, orderId: key }), cause]));
  const changed = [...after].flatMap(([key, shipment]): Required<Relabelled>[] => {
    const [was, cause] = [before.get(key), causes.get(key)];
    return was && cause && was !== shipment ? [{ before: was, after: tellingNumber(was, shipment), cause }] : [];
  });
  await saveContents(
    tx,
    changed.map(({ after: shipment }) => shipment),
  );
  await endHolds(
    tx,
    events.map(({ tenant, key, message }) => ({ tenant, orderId: key, changeId: message.changeId })),
    now,
  );
  await rebook(tx, changed, now);
  // One that its carrier was to move, and that moves by the clock now, has no plan yet.
  const paceOf = (name: string) => carriers.named(name)?.pace;
  const steps = changed.map(({ after: shipment, cause }) => ({ shipment, cause }));
  const moved = steps.filter(({ shipment }) => !paceOf(before.get(keyOf(shipment))?.carrier ?? ""));
  await planStep(tx, moved, { step: "dispatch", paceOf });
  await tellOf(tx, changed.flatMap(numberStep), now);
}

/** Of an order's only parcel; none where its number is the same. */
function numberStep({ before, after, cause }: Required<Relabelled>): Step[] {
  if (before.numberCount === after.numberCount) return [];
  return stepsOf([], [after]).map((step) => ({ ...step, cause, isNumber: true }));
}

const contentsOf = (changed: OrderChanged): Contents => ({
  lines: changed.lines.map(({ sku, quantity }) => ({ sku, quantity: Number(quantity) })),
  address: changed.shippingAddress ? addressOf(changed.shippingAddress) : null,
  method: methodOf(changed),
});

async function stopParcels(
  tx: Transaction<Tables>,
  events: ReceivedEvent<OrderCancelled>[],
  { log, now }: { log: Logger; now: Date },
): Promise<void> {
  // The first cancellation of an order counts.
  const cancelled = new Map(
    events.toReversed().map(({ tenant, message: { orderId, reason }, cause }) => {
      return [keyOf({ tenant, orderId }), { tenant, orderId, reason, cause }] as const;
    }),
  );
  const orders = [...cancelled.values()];
  // Most orders end before there is a parcel; nobody waits to hear that one was never made.
  const places = orders.map(({ tenant, orderId, reason }) =>
    stopBeforeParcel({ tenant, orderId, shipmentId: newId("shp") }, { reason, isTold: false, now }),
  );
  const withoutParcel = new Set((await insertShipments(tx, places)).map(keyOf));
  const locked = await lockParcels(
    tx,
    orders.filter((order) => !withoutParcel.has(keyOf(order))),
  );
  const steps = [...locked].flatMap(([key, parcels]): Step[] => {
    const order = cancelled.get(key);
    if (!order) return [];
    for (const { tenant, orderId, shipmentId, state } of parcels.filter(hasLeft)) {
      log.warn({ tenant, orderId, shipmentId, state }, "cancel_after_dispatch");
    }
    return stopThoseHere(parcels, { reason: order.reason, now }).map((step) => ({ ...step, cause: order.cause }));
  });
  await saveSteps(
    tx,
    steps.map(({ shipment }) => shipment),
  );
  await endHoldsOf(tx, orders, now);
  await tellOf(tx, steps, now);
}

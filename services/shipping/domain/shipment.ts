// The life of a parcel, and what each fact does to it. Facts come late, twice and in any order.

export type ShipmentState = "CREATED" | "DISPATCHED" | "DELIVERED" | "STOPPED";
export type ShippingMethod = "STANDARD" | "EXPRESS";

export interface Address {
  recipient: string;
  lines: string[];
  city: string;
  postalCode: string;
  region: string;
  countryCode: string;
}

export interface Shipment {
  tenant: string;
  orderId: string;
  shipmentId: string;
  state: ShipmentState;
  /** Null, as are address and readyEventId, where it was stopped before there was a parcel. */
  method: ShippingMethod | null;
  /** Empty, as is trackingNumber, where it was stopped before there was a parcel. */
  carrier: string;
  trackingNumber: string;
  address: Address | null;
  /** Id of the OrderReady that it answers. */
  readyEventId: string | null;
  stopReason: string;
  createTime: Date;
  dispatchTime: Date | null;
  deliverTime: Date | null;
  stopTime: Date | null;
  /** Events sent for this order so far. */
  eventCount: number;
}

export interface ReadyOrder {
  tenant: string;
  orderId: string;
  eventId: string;
  method: ShippingMethod;
  address: Address | null;
}

export type ReadyOutcome = "make_parcel" | "repeated" | "stopped_before" | "duplicate";

/** What to do for an order that is ready, where it may have a shipment. */
export function onReady(shipment: Pick<Shipment, "readyEventId"> | undefined, eventId: string): ReadyOutcome {
  if (!shipment) return "make_parcel";
  if (shipment.readyEventId === null) return "stopped_before";
  return shipment.readyEventId === eventId ? "repeated" : "duplicate";
}

export function makeParcel(
  { tenant, orderId, eventId, method, address }: ReadyOrder,
  label: { shipmentId: string; carrier: string; trackingNumber: string; now: Date },
): Shipment {
  const { shipmentId, carrier, trackingNumber, now } = label;
  return {
    tenant,
    orderId,
    shipmentId,
    state: "CREATED",
    method,
    carrier,
    trackingNumber,
    address,
    readyEventId: eventId,
    stopReason: "",
    createTime: now,
    dispatchTime: null,
    deliverTime: null,
    stopTime: null,
    eventCount: 1,
  };
}

/** Holds the place of a parcel that must never be made. The one who asked for it is told by an event, a cancellation is not. */
export function stopBeforeParcel(
  order: { tenant: string; orderId: string; shipmentId: string },
  { reason, isTold, now }: { reason: string; isTold: boolean; now: Date },
): Shipment {
  return {
    ...order,
    state: "STOPPED",
    method: null,
    carrier: "",
    trackingNumber: "",
    address: null,
    readyEventId: null,
    stopReason: reason,
    createTime: now,
    dispatchTime: null,
    deliverTime: null,
    stopTime: now,
    eventCount: isTold ? 1 : 0,
  };
}

export type StopOutcome =
  | { kind: "stopped"; shipment: Shipment }
  | { kind: "stopped_before"; shipment: Shipment }
  | { kind: "too_late"; shipment: Shipment };

export function stop(shipment: Shipment, { reason, now }: { reason: string; now: Date }): StopOutcome {
  switch (shipment.state) {
    case "CREATED":
      return { kind: "stopped", shipment: { ...next(shipment), state: "STOPPED", stopReason: reason, stopTime: now } };
    case "STOPPED":
      return { kind: "stopped_before", shipment };
    case "DISPATCHED":
    case "DELIVERED":
      return { kind: "too_late", shipment };
  }
}

/** The parcel as it leaves; undefined where it has left already or never will. */
export function dispatch(shipment: Shipment, now: Date): Shipment | undefined {
  return shipment.state === "CREATED" ? { ...next(shipment), state: "DISPATCHED", dispatchTime: now } : undefined;
}

/** The parcel as it arrives; undefined where it is not on its way. */
export function deliver(shipment: Shipment, now: Date): Shipment | undefined {
  return shipment.state === "DISPATCHED" ? { ...next(shipment), state: "DELIVERED", deliverTime: now } : undefined;
}

/** Each step of a parcel is told by one event. */
const next = (shipment: Shipment): Shipment => ({ ...shipment, eventCount: shipment.eventCount + 1 });

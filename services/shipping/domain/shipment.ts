// The life of a parcel, and what each fact does to it. Facts come late, twice and in any order.

export type ShipmentState = "CREATED" | "DISPATCHED" | "DELIVERY_FAILED" | "DELIVERED" | "RETURNED" | "STOPPED";
export type ShippingMethod = "STANDARD" | "EXPRESS";

/** What comes first at the shelves. */
export type Priority = "NORMAL" | "RUSH";

export interface Line {
  sku: string;
  quantity: number;
}

/** How long a parcel takes by the clock. Milliseconds. */
export interface Pace {
  /** From the label until it leaves. */
  dispatchMs: number;
  /** From there until it arrives. */
  deliverMs: number;
}

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
  /** Its place among the parcels of its order, from 1. */
  parcel: number;
  /** The parcel out of which it was made; null for the first one of an order. */
  split: Split | null;
  /** Who bought; empty where the order did not say. */
  customerId: string;
  state: ShipmentState;
  /** Null, as are address and readyEventId, where it was stopped before there was a parcel. */
  method: ShippingMethod | null;
  /** Empty where it was stopped before there was a parcel. */
  carrier: string;
  /** Empty also until the carrier has booked it. */
  trackingNumber: string;
  /** How often a carrier was asked to book it; 0 where none ever had to be. */
  bookingVersion: number;
  /** Why the carrier does not take it, by name and in its words; empty where it has not refused it. */
  bookingRefusal: string;
  bookingMessage: string;
  address: Address | null;
  priority: Priority;
  lines: Line[];
  /** Id of the OrderReady that it answers. */
  readyEventId: string | null;
  stopReason: string;
  createTime: Date;
  dispatchTime: Date | null;
  deliverTime: Date | null;
  /** Of the first delivery that failed. */
  failTime: Date | null;
  failReason: string;
  returnTime: Date | null;
  stopTime: Date | null;
  packTime: Date | null;
  /** Events sent about this parcel so far; those of all parcels of an order number the order's events. */
  eventCount: number;
  /** Those among them that told of another number. */
  numberCount: number;
}

/** How a parcel came to be out of another one. */
export interface Split {
  fromShipmentId: string;
  requestId: string;
  /** Of the wish. */
  requestHash: Buffer;
}

export interface ReadyOrder {
  tenant: string;
  orderId: string;
  customerId: string;
  priority: Priority;
  lines: Line[];
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

export const notRefused = { bookingRefusal: "", bookingMessage: "" } as const;
const notYet = { dispatchTime: null, deliverTime: null, failTime: null, failReason: "", returnTime: null } as const;

/** @param label Without a number where the carrier has to be asked for it. */
export function makeParcel(
  { tenant, orderId, customerId, priority, lines, eventId, method, address }: ReadyOrder,
  label: { shipmentId: string; carrier: string; trackingNumber: string; now: Date },
): Shipment {
  const { shipmentId, carrier, trackingNumber, now } = label;
  return {
    tenant,
    orderId,
    shipmentId,
    parcel: 1,
    split: null,
    customerId,
    state: "CREATED",
    method,
    carrier,
    trackingNumber,
    bookingVersion: trackingNumber === "" ? 1 : 0,
    ...notRefused,
    address,
    priority,
    lines,
    readyEventId: eventId,
    stopReason: "",
    createTime: now,
    ...notYet,
    stopTime: null,
    packTime: null,
    eventCount: 1,
    numberCount: 0,
  };
}

/** Holds the place of a parcel that must never be made. The one who asked for it is told by an event, a cancellation is not. */
export function stopBeforeParcel(
  order: { tenant: string; orderId: string; shipmentId: string },
  { reason, isTold, now }: { reason: string; isTold: boolean; now: Date },
): Shipment {
  return {
    ...order,
    parcel: 1,
    split: null,
    customerId: "",
    state: "STOPPED",
    method: null,
    carrier: "",
    trackingNumber: "",
    bookingVersion: 0,
    ...notRefused,
    address: null,
    priority: "NORMAL",
    lines: [],
    readyEventId: null,
    stopReason: reason,
    createTime: now,
    ...notYet,
    stopTime: now,
    packTime: null,
    eventCount: isTold ? 1 : 0,
    numberCount: 0,
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
    case "DELIVERY_FAILED":
    case "DELIVERED":
    case "RETURNED":
      return { kind: "too_late", shipment };
  }
}

/** The parcel as it leaves; undefined where it has left already, has no number to leave with, or never will. */
export function dispatch(shipment: Shipment, now: Date): Shipment | undefined {
  if (shipment.state !== "CREATED" || isUnbooked(shipment)) return undefined;
  return { ...next(shipment), state: "DISPATCHED", dispatchTime: now };
}

/** Whether it waits for its carrier to give it a number. */
export const isUnbooked = ({ state, trackingNumber }: Pick<Shipment, "state" | "trackingNumber">): boolean =>
  state === "CREATED" && trackingNumber === "";

export const hasLeft = ({ state }: Pick<Shipment, "state">): boolean => state !== "CREATED" && state !== "STOPPED";

const isWithCarrier = ({ state }: Shipment): boolean => state === "DISPATCHED" || state === "DELIVERY_FAILED";

/** The parcel as it arrives; undefined where it is not on its way. */
export function deliver(shipment: Shipment, now: Date): Shipment | undefined {
  return isWithCarrier(shipment) ? { ...next(shipment), state: "DELIVERED", deliverTime: now } : undefined;
}

/** The parcel that could not be delivered; undefined where that is known, or it is not on its way. */
export function fail(shipment: Shipment, { when, reason }: { when: Date; reason: string }): Shipment | undefined {
  if (shipment.state !== "DISPATCHED") return undefined;
  return { ...next(shipment), state: "DELIVERY_FAILED", failTime: when, failReason: reason };
}

/** The parcel as it comes back; undefined where it is not on its way. */
export function returnToSender(shipment: Shipment, now: Date): Shipment | undefined {
  return isWithCarrier(shipment) ? { ...next(shipment), state: "RETURNED", returnTime: now } : undefined;
}

/** Each step of a parcel is told by one event. */
export const next = (shipment: Shipment): Shipment => ({ ...shipment, eventCount: shipment.eventCount + 1 });

// What is kept of a parcel's way.
import type { CarrierEvent } from "./carrier-events.ts";
import type { Shipment } from "./shipment.ts";

/** What a carrier has told once. */
export interface Told {
  /** The carrier's id of the message: the same at every repeat. */
  id: string;
  event: CarrierEvent;
  /** By the carrier's clock. */
  time: Date;
  place: string;
  detail: string;
}

export interface TrackingEvent extends Told, ParcelKey {}

/** A parcel by its place among those of its order. */
export type ParcelKey = Pick<Shipment, "tenant" | "orderId" | "parcel">;

export const trackingOf = ({ tenant, orderId, parcel }: ParcelKey, told: Told): TrackingEvent => {
  const { id, event, time, place, detail } = told;
  return { tenant, orderId, parcel, id, event, time, place, detail };
};

// How a parcel gets its number: at once where its carrier knows it, else by being booked; and what becomes of that when the parcel changes.
import { hasLeft, isUnbooked, next, notRefused, type Shipment } from "./shipment.ts";

/** What of a carrier decides how its parcels get their numbers. */
export interface Numbering {
  name: string;
  /** Empty where the carrier has to be asked for it. */
  trackingNumber(shipmentId: string): string;
}

export type Label = Pick<Shipment, "carrier" | "trackingNumber" | "bookingVersion" | "bookingRefusal" | "bookingMessage">;

/** The label of a parcel that is new, or not what it was: what was booked for it before counts no longer. */
export function labelBy(
  carrier: Numbering,
  { shipmentId, bookingVersion }: Pick<Shipment, "shipmentId" | "bookingVersion">,
): Label {
  const trackingNumber = carrier.trackingNumber(shipmentId);
  const version = trackingNumber === "" ? bookingVersion + 1 : bookingVersion;
  return { carrier: carrier.name, trackingNumber, bookingVersion: version, ...notRefused };
}

/** The parcel as it is to be saved: another number than before is told by an event. */
export const tellingNumber = (before: Shipment, after: Shipment): Shipment =>
  before.trackingNumber === after.trackingNumber ? after : { ...next(after), numberCount: after.numberCount + 1 };

/** What a carrier says of a booking. */
export type BookingAnswer =
  | {
      kind: "booked";
      trackingNumber: string;
      /** A PDF; undefined where the carrier gives none that can be used. */
      label: Uint8Array | undefined;
      /** Why a label that it gave cannot be used; empty where it can, or there is none. */
      labelProblem: string;
    }
  /** It will not carry this parcel, and has booked nothing: the last word on the key. */
  | { kind: "refused"; reason: string; message: string };

export type CancelAnswer =
  | { kind: "cancelled" }
  /** It has no booking under the key, or not yet. */
  | { kind: "unknown" }
  /** Too late, as it has the parcel already. */
  | { kind: "refused"; reason: string; message: string };

/** The parcel after its carrier's answer; undefined where that is to a booking that counts no longer. */
export function takeAnswer(
  shipment: Shipment,
  { version, answer }: { version: number; answer: BookingAnswer },
): Shipment | undefined {
  if (!isUnbooked(shipment) || shipment.bookingVersion !== version) return undefined;
  if (answer.kind === "refused") return { ...shipment, bookingRefusal: answer.reason, bookingMessage: answer.message };
  return tellingNumber(shipment, { ...shipment, ...notRefused, trackingNumber: answer.trackingNumber });
}

export type BookRefusal = "SHIPMENT_STOPPED" | "ALREADY_DISPATCHED" | "SHIPMENT_PACKED" | "SHIPMENT_ON_HOLD";

export type BookOutcome =
  | { kind: "changed"; shipment: Shipment }
  | { kind: "as_it_is" }
  | { kind: "refused"; reason: BookRefusal; message: string };

/** Has a parcel go by a carrier. One that the carrier has, or is being asked for, stays as it is; one that it refused is asked for again. */
export function bookBy(carrier: Numbering, shipment: Shipment, { isHeld }: { isHeld: boolean }): BookOutcome {
  const { shipmentId, state, packTime } = shipment;
  const refused = (reason: BookRefusal, message: string): BookOutcome => ({ kind: "refused", reason, message });
  if (state === "STOPPED") return refused("SHIPMENT_STOPPED", `parcel ${shipmentId} is not to leave`);
  if (hasLeft(shipment)) return refused("ALREADY_DISPATCHED", `parcel ${shipmentId} has left`);
  if (carrier.name === shipment.carrier && shipment.bookingRefusal === "") return { kind: "as_it_is" };
  if (isHeld) return refused("SHIPMENT_ON_HOLD", "its order is being changed: try again in a moment");
  if (packTime) return refused("SHIPMENT_PACKED", `parcel ${shipmentId} is packed: send it as it is`);
  return { kind: "changed", shipment: tellingNumber(shipment, { ...shipment, ...labelBy(carrier, shipment) }) };
}

/** For so long a call that was given up may still reach the carrier: that it knows of no booking is believed only after it. */
const quietMs = 10 * 60_000;

export const isQuiet = (askTime: Date | null, now: Date): boolean =>
  askTime === null || now.getTime() - askTime.getTime() > quietMs;

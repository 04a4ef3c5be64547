// What shipping asks of a carrier, and what a carrier reports.
import type { Pace, ShippingMethod } from "../domain/shipment.ts";

/** A message that a carrier has sent. */
export interface CarrierMessage {
  /** The carrier's id of it: the same at every repeat. */
  id: string;
  /** What happened, as the carrier names it. */
  type: string;
  trackingNumber: string;
  /** By the carrier's clock. */
  time: Date;
  place: string;
  /** More in the carrier's words. */
  detail: string;
}

/**
 * The number of a parcel is asked for inside a transaction, so a carrier answers it from what it knows and calls nobody: from the
 * range of numbers that it has given to the shop, as carriers do. One that has to be called for each label belongs into the
 * preparation of due work, and there is none yet.
 */
export interface Carrier {
  /** As in the address to which its messages are sent. */
  readonly name: string;
  /** The same for the same shipment, always. */
  trackingNumber(shipmentId: string): string;
  /** When its parcels move by themselves; undefined where they move only when it says so. */
  readonly pace: Pace | undefined;
  /**
   * Reads a message that was sent to us for a tenant.
   *
   * @throws SignatureInvalid where it is not the carrier's, or too old.
   * @throws MessageInvalid where it is, and cannot be understood.
   */
  readMessage(message: { tenant: string; bytes: Uint8Array; headers: Headers }): CarrierMessage;
}

export interface Carriers {
  /** Who carries parcels that are made from now on. */
  forMethod(method: ShippingMethod): Carrier;
  /** Undefined where there is none of the name. */
  named(name: string): Carrier | undefined;
}

/** A message that cannot be proved to be the carrier's. */
export class SignatureInvalid extends Error {
  override readonly name = "SignatureInvalid";
}

/** A message that is the carrier's and says nothing that could be understood. */
export class MessageInvalid extends Error {
  override readonly name = "MessageInvalid";
}

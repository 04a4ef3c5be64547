// What shipping asks of a carrier, and what a carrier reports.
import type { BookingAnswer, CancelAnswer } from "../domain/booking.ts";
import type { Address, Line, Pace, ShippingMethod } from "../domain/shipment.ts";

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

export interface Carrier {
  /** As in the address to which its messages are sent. */
  readonly name: string;
  /**
   * The same for the same shipment, always. It is asked for inside a transaction, so it is answered from what is known here; empty where
   * the carrier has to be called for it, which is then done at its desk.
   */
  trackingNumber(shipmentId: string): string;
  /** Where its parcels are booked; undefined where their numbers are known here. */
  readonly desk: BookingDesk | undefined;
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

/** A booking by the tenant whose parcel it is, and by the key under which it was asked for. */
export interface WhichBooking {
  tenant: string;
  key: string;
}

/** What a carrier is told of a parcel. */
export interface BookingRequest extends WhichBooking {
  shipmentId: string;
  orderId: string;
  method: ShippingMethod;
  /** Lines of the sender's address. */
  from: readonly string[];
  /** Null where the order gave none. */
  to: Address | null;
  lines: readonly Line[];
}

/** A carrier that is called: outside any transaction. One key is one booking, however often it is asked for. */
export interface BookingDesk {
  /** @throws CarrierUnavailable */
  book(request: BookingRequest): Promise<BookingAnswer>;
  /**
   * What came of a booking; undefined where nothing is known under its key.
   *
   * @throws CarrierUnavailable
   */
  find(which: WhichBooking): Promise<BookingAnswer | undefined>;
  /** @throws CarrierUnavailable */
  cancel(which: WhichBooking): Promise<CancelAnswer>;
}

export interface Carriers {
  /** Who carries parcels that are made from now on. */
  forMethod(method: ShippingMethod): Carrier;
  /** Undefined where there is none of the name. */
  named(name: string): Carrier | undefined;
}

/** No answer, or none that says what was done: it may have happened or not. Look it up by its key before it is asked for again. */
export class CarrierUnavailable extends Error {
  override readonly name = "CarrierUnavailable";
}

/** A message that cannot be proved to be the carrier's. */
export class SignatureInvalid extends Error {
  override readonly name = "SignatureInvalid";
}

/** A message that is the carrier's and says nothing that could be understood. */
export class MessageInvalid extends Error {
  override readonly name = "MessageInvalid";
}

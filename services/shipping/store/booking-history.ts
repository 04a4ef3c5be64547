// What is told of how parcels were booked at carriers that have to be called. Words of a carrier are not repeated: they may name somebody.
import { sql, type Kysely } from "kysely";
import { factsMax, type AskedOrder, type ToldFact, type ToldWait } from "#runtime/history/told-history.ts";
import { bookKind, unbookKind, type Booking } from "./bookings.ts";
import type { Tables } from "./shipments.ts";

export interface ToldBooking extends Pick<Booking, "parcel" | "version" | "carrier" | "state" | "trackingNumber"> {
  /** Why there was no answer the last time; empty where there was one. */
  problem: string;
  /** Why the carrier does not book it, or not cancel it. */
  refusal: string;
  createTime: Date;
  bookTime: Date | null;
  endTime: Date | null;
  /** When the carrier is called again; null where it is not to be. */
  callTime: Date | null;
}

/** Those of all parcels of the order, those of each in their order. */
export async function readBookings(db: Kysely<Tables>, { tenant, orderId }: AskedOrder): Promise<ToldBooking[]> {
  const { rows } = await sql<ToldBooking>`
    select parcel, version, booking.carrier, booking.state, booking.tracking_number as "trackingNumber", problem, refusal,
      booking.create_time as "createTime", book_time as "bookTime", end_time as "endTime", due_work.due_time as "callTime"
    from booking join shipment using (tenant_id, order_id, parcel)
    left join due_work on due_work.tenant_id = booking.tenant_id and due_work.key = shipment_id || '.' || version
      and due_work.kind = case booking.state when 'REQUESTED' then ${bookKind} when 'CANCELLING' then ${unbookKind} end
    where booking.tenant_id = ${tenant} and booking.order_id = ${orderId}
    order by parcel, version limit ${factsMax}`.execute(db);
  return rows;
}

/** @param which Which of several parcels it is about, as the end of a sentence. */
export function bookingFacts(booking: ToldBooking, which: string): ToldFact[] {
  const { carrier, state, trackingNumber, refusal, createTime, bookTime, endTime } = booking;
  const fact = (name: string, time: Date, text: string): ToldFact => ({ kind: "PARCEL", name, time, text: `${text}${which}` });
  const facts = [fact("BOOKING_REQUESTED", createTime, `${carrier} is to be asked to carry the parcel`)];
  if (bookTime) facts.push(fact("BOOKED", bookTime, `${carrier} has booked the parcel, number ${trackingNumber}`));
  const ends: Partial<Record<Booking["state"], { name: string; text: string }>> = {
    REFUSED: { name: "BOOKING_REFUSED", text: `${carrier} does not carry the parcel: ${refusal}` },
    CANCELLED: { name: "BOOKING_CANCELLED", text: `what ${carrier} was asked for is cancelled` },
    NOT_CANCELLED: {
      name: "BOOKING_NOT_CANCELLED",
      text: `${carrier} does not cancel its booking ${trackingNumber}: ${refusal}`,
    },
  };
  const end = ends[state];
  if (end && endTime) facts.push(fact(end.name, endTime, end.text));
  return facts;
}

/** What a parcel without a number waits for. */
export function bookingWait(about: {
  shipmentId: string;
  carrier: string;
  refusal: string;
  which: string;
  booking: ToldBooking | undefined;
}): ToldWait {
  const { shipmentId, carrier, refusal, which, booking } = about;
  if (refusal !== "") {
    const nextStep = `change the order, or POST /v1/shipments/${shipmentId}:book, with another carrier or again`;
    return { text: `a person, as ${carrier} does not carry the parcel: ${refusal}${which}`, nextStep };
  }
  const problem = booking?.problem ? `, which it has not (${booking.problem})` : "";
  const text = `${carrier} to give the parcel a number${problem}${which}`;
  return { text, ...(booking?.callTime && { until: booking.callTime }) };
}

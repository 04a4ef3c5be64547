// The SQL of bookings: what carriers that have to be called were asked for, once for each version of a parcel, and what they said.
import { sql, type Kysely, type Transaction } from "kysely";
import type { Cause } from "#runtime/events/outgoing.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import type { BookingAnswer, CancelAnswer } from "../domain/booking.ts";
import type { Address, Line, Shipment, ShippingMethod } from "../domain/shipment.ts";
import type { ParcelKey } from "../domain/tracking.ts";
import type { Tables } from "./shipments.ts";

export const bookKind = "shipping.book";
export const unbookKind = "shipping.unbook";

/** Under what the carrier is asked, and the asking is planned: each version of a parcel by itself. */
export const bookingKey = ({ shipmentId, bookingVersion }: Pick<Shipment, "shipmentId" | "bookingVersion">): string =>
  `${shipmentId}.${bookingVersion}`;

function readBookingKey(key: string): { shipmentId: string; version: number } {
  const [shipmentId = "", version = ""] = key.split(".");
  return { shipmentId, version: Number(version) };
}

/** A parcel as it was, where it was there, and as it is now. */
export interface Relabelled {
  before?: Shipment;
  after: Shipment;
  cause: Cause;
}

/** Asks for a number for each parcel that needs another one, and gives back what was booked for it before. */
export async function rebook(tx: Transaction<Tables>, parcels: readonly Relabelled[], now: Date): Promise<void> {
  const ended = parcels.flatMap(({ before, after, cause }) => {
    const isOver = before && (before.bookingVersion !== after.bookingVersion || before.carrier !== after.carrier);
    return isOver ? [{ shipment: before, cause }] : [];
  });
  await endBookings(tx, ended, now);
  const asked = parcels.filter(({ before, after }) => after.bookingVersion > (before?.bookingVersion ?? 0));
  if (asked.length === 0) return;
  const shipments = asked.map(({ after }) => after);
  await sql`
    insert into booking (tenant_id, order_id, parcel, version, carrier, state, create_time)
    select *, 'REQUESTED', ${now}::timestamptz from unnest(
      ${shipments.map(({ tenant }) => tenant)}::text[],
      ${shipments.map(({ orderId }) => orderId)}::text[],
      ${shipments.map(({ parcel }) => parcel)}::integer[],
      ${shipments.map(({ bookingVersion }) => bookingVersion)}::integer[],
      ${shipments.map(({ carrier }) => carrier)}::text[]
    )`.execute(tx);
  await planDue(
    tx,
    asked.map(({ after, cause }) => planOf(after, { kind: bookKind, cause })),
  );
}

/** What is to be done at once about a booking. */
const planOf = (
  { tenant, ...shipment }: Pick<Shipment, "tenant" | "shipmentId" | "bookingVersion">,
  { kind, cause }: { kind: string; cause: Cause },
) => ({ kind, tenant, key: bookingKey(shipment), due: { inMs: 0 }, cause });

/**
 * The parcels, which are locked, need no number any longer, or another one. What the carrier was never asked for is over with that; it
 * has yet to be told of all else, which is done once: a booking is given back by whoever finds it in force.
 */
export async function endBookings(
  tx: Transaction<Tables>,
  parcels: readonly { shipment: Shipment; cause: Cause }[],
  now: Date,
): Promise<void> {
  const booked = parcels.filter(({ shipment }) => shipment.bookingVersion > 0);
  if (booked.length === 0) return;
  const { rows } = await sql<ParcelKey & { bookingVersion: number }>`
    update booking
    set state = case when ask_time is null then 'CANCELLED' else 'CANCELLING' end,
        end_time = case when ask_time is null then ${now}::timestamptz end, problem = ''
    where (tenant_id, order_id, parcel) in (
        select * from unnest(
          ${booked.map(({ shipment }) => shipment.tenant)}::text[],
          ${booked.map(({ shipment }) => shipment.orderId)}::text[],
          ${booked.map(({ shipment }) => shipment.parcel)}::integer[]
        )
      )
      and state in ('REQUESTED', 'BOOKED')
    returning tenant_id as tenant, order_id as "orderId", parcel, version as "bookingVersion"`.execute(tx);
  const plans = rows.flatMap(({ tenant, orderId, parcel, bookingVersion }) => {
    const found = booked.find(
      ({ shipment }) => shipment.tenant === tenant && shipment.orderId === orderId && shipment.parcel === parcel,
    );
    if (!found) return [];
    const { shipment, cause } = found;
    return [planOf({ tenant, shipmentId: shipment.shipmentId, bookingVersion }, { kind: unbookKind, cause })];
  });
  await planDue(tx, plans);
}

export interface Booking extends ParcelKey {
  shipmentId: string;
  version: number;
  carrier: string;
  state: "REQUESTED" | "BOOKED" | "REFUSED" | "CANCELLING" | "CANCELLED" | "NOT_CANCELLED";
  /** Empty where none was given. */
  trackingNumber: string;
  /** When the carrier was asked for it last; null where it never was. */
  askTime: Date | null;
  /** Of the parcel. */
  method: ShippingMethod;
  address: Address | null;
  lines: Line[];
}

/** The booking, and the parcel as it is. */
export async function readBooking(
  db: Kysely<Tables>,
  { tenant, key }: { tenant: string; key: string },
): Promise<Booking | undefined> {
  const { shipmentId, version } = readBookingKey(key);
  const { rows } = await sql<Booking>`
    select booking.tenant_id as tenant, booking.order_id as "orderId", booking.parcel, version, booking.carrier, booking.state,
      booking.tracking_number as "trackingNumber", ask_time as "askTime", shipment_id as "shipmentId", method, address, lines
    from shipment join booking using (tenant_id, order_id, parcel)
    where shipment_id = ${shipmentId} and tenant_id = ${tenant} and version = ${version}`.execute(db);
  return rows[0];
}

type WhichVersion = ParcelKey & { version: number };

const isVersion = ({ tenant, orderId, parcel, version }: WhichVersion) =>
  sql`tenant_id = ${tenant} and order_id = ${orderId} and parcel = ${parcel} and version = ${version}`;

/** Durable before the call: whoever comes after a crash then knows that there may be something to find. False where it is over. */
export async function markAsked(tx: Transaction<Tables>, which: WhichVersion, now: Date): Promise<boolean> {
  const marked = await sql`
    update booking set ask_time = ${now} where ${isVersion(which)} and state = 'REQUESTED'`.execute(tx);
  return marked.numAffectedRows === 1n;
}

/** Why there was no answer, for whoever asks what the parcel waits for. */
export async function noteProblem(tx: Transaction<Tables>, which: WhichVersion, problem: string): Promise<void> {
  await sql`
    update booking set problem = ${problem}
    where ${isVersion(which)} and state in ('REQUESTED', 'CANCELLING')`.execute(tx);
}

/** Keeps what the carrier said of a booking that is still wanted. */
export async function saveBooked(tx: Transaction<Tables>, which: WhichVersion, answer: BookingAnswer, now: Date): Promise<void> {
  if (answer.kind === "refused") {
    await sql`
      update booking set state = 'REFUSED', refusal = ${answer.reason}, problem = '', end_time = ${now}
      where ${isVersion(which)} and state = 'REQUESTED'`.execute(tx);
    return;
  }
  const label = answer.label ? Buffer.from(answer.label) : null;
  await sql`
    update booking
    set state = 'BOOKED', tracking_number = ${answer.trackingNumber}, label = ${label}, problem = '', book_time = ${now}
    where ${isVersion(which)} and state = 'REQUESTED'`.execute(tx);
}

/** Keeps how the end of a booking was taken. What the carrier does not know is as good as cancelled. */
export async function saveCancelled(
  tx: Transaction<Tables>,
  which: WhichVersion,
  answer: CancelAnswer,
  now: Date,
): Promise<void> {
  const [state, refusal] = answer.kind === "refused" ? ["NOT_CANCELLED", answer.reason] : ["CANCELLED", ""];
  await sql`
    update booking set state = ${state}, refusal = ${refusal}, problem = '', end_time = ${now}
    where ${isVersion(which)} and state = 'CANCELLING'`.execute(tx);
}

/** The carrier's label of the parcel as it is booked; undefined where the carrier has given none. */
export async function readLabel(db: Kysely<Tables>, shipment: Shipment): Promise<Uint8Array | undefined> {
  if (shipment.bookingVersion === 0) return undefined;
  const which = { ...shipment, version: shipment.bookingVersion };
  const { rows } = await sql<{ label: Buffer }>`
    select label from booking where ${isVersion(which)} and state = 'BOOKED' and label is not null`.execute(db);
  return rows[0] && Uint8Array.from(rows[0].label);
}

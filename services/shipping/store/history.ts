// What shipping tells of an order's history: its parcel, how that was booked, what has held it back, and what the carrier reported. Where it was and who took it in is not told.
import { sql, type Kysely } from "kysely";
import {
  factsMax,
  type AskedOrder,
  type TellHistory,
  type ToldFact,
  type ToldHistory,
  type ToldWait,
} from "#runtime/history/told-history.ts";
import type { Shipment } from "../domain/shipment.ts";
import { bookingFacts, bookingWait, readBookings, type ToldBooking } from "./booking-history.ts";
import type { Tables } from "./shipments.ts";

type Kept = Pick<
  Shipment,
  | "shipmentId"
  | "parcel"
  | "state"
  | "method"
  | "carrier"
  | "trackingNumber"
  | "bookingVersion"
  | "bookingRefusal"
  | "createTime"
  | "dispatchTime"
  | "deliverTime"
  | "failTime"
> &
  Pick<Shipment, "returnTime" | "stopTime">;

interface HistoryRow extends Kept {
  packTime: Date | null;
  splitFrom: string | null;
  lines: Shipment["lines"];
  /** Of a parcel whose step is not planned under the order. */
  nextStepTime: Date | null;
  tracking: { event: string; time: string }[];
}

const steps: { column: keyof HistoryRow; name: string; text: string; toldBy?: string }[] = [
  { column: "packTime", name: "PACKED", text: "the parcel is packed" },
  { column: "dispatchTime", name: "DISPATCHED", text: "the parcel has left", toldBy: "ShipmentDispatched" },
  { column: "failTime", name: "DELIVERY_FAILED", text: "the parcel could not be delivered", toldBy: "ShipmentDeliveryFailed" },
  { column: "deliverTime", name: "DELIVERED", text: "the parcel has arrived", toldBy: "ShipmentDelivered" },
  { column: "returnTime", name: "RETURNED", text: "the parcel has come back", toldBy: "ShipmentReturned" },
  { column: "stopTime", name: "STOPPED", text: "the parcel is stopped", toldBy: "ShipmentStopped" },
];

const waitTexts: Partial<Record<Shipment["state"], string>> = {
  CREATED: "the parcel to leave",
  DISPATCHED: "the carrier to deliver the parcel",
  DELIVERY_FAILED: "the carrier to deliver the parcel after all, or to bring it back",
};

export function shipmentHistory(db: Kysely<Tables>): TellHistory {
  return async (order) => {
    const [rows, holds, bookings] = await Promise.all([readHistory(db, order), readHolds(db, order), readBookings(db, order)]);
    const told = rows.map((row) => toldOf(row, { holds, bookings, isOneOfSeveral: rows.length > 1 }));
    // It may be held back before it is made.
    const facts = [...told.flatMap((one) => one.facts), ...holds.flatMap(holdFacts)];
    return { facts: facts.toSorted(byTime), waits: told.flatMap(({ waits }) => waits) };
  };
}

async function readHistory(db: Kysely<Tables>, { tenant, orderId }: AskedOrder): Promise<HistoryRow[]> {
  const read = await sql<HistoryRow>`
    select shipment_id as "shipmentId", parcel, split_from as "splitFrom", lines, state, method, carrier, tracking_number as "trackingNumber",
      booking_version as "bookingVersion", booking_refusal as "bookingRefusal", create_time as "createTime",
      dispatch_time as "dispatchTime", deliver_time as "deliverTime", fail_time as "failTime", return_time as "returnTime",
      stop_time as "stopTime", pack_time as "packTime",
      (
        select min(due_time) from due_work
        where kind like 'shipping.%' and due_work.tenant_id = shipment.tenant_id and due_work.key = shipment.shipment_id
      ) as "nextStepTime",
      (
        select coalesce(json_agg(json_build_object('event', event, 'time', told.event_time) order by told.event_time, event), '[]')
        from (
          select event, event_time from tracking_event
          where tracking_event.tenant_id = shipment.tenant_id and tracking_event.order_id = shipment.order_id
            and tracking_event.parcel = shipment.parcel
          order by event_time, message_id limit ${factsMax}
        ) as told
      ) as tracking
    from shipment where tenant_id = ${tenant} and order_id = ${orderId} order by parcel`.execute(db);
  return read.rows;
}

interface HoldRow {
  changeId: string;
  createTime: Date;
  endTime: Date | null;
}

/** Without those that came when their change was over, and have held nothing. */
async function readHolds(db: Kysely<Tables>, { tenant, orderId }: AskedOrder): Promise<HoldRow[]> {
  const read = await sql<HoldRow>`
    select change_id as "changeId", create_time as "createTime", end_time as "endTime" from parcel_hold
    where tenant_id = ${tenant} and order_id = ${orderId} and end_time is distinct from create_time
    order by create_time, change_id limit ${factsMax}`.execute(db);
  return read.rows;
}

function holdFacts({ changeId: id, createTime, endTime }: HoldRow): ToldFact[] {
  const heldText = "the parcel is held back while the order is being changed";
  const held: ToldFact = { kind: "PARCEL", name: "HELD_BACK", id, time: createTime, text: heldText, toldBy: "HoldParcel" };
  if (!endTime) return [held];
  return [held, { kind: "PARCEL", name: "LET_GO", id, time: endTime, text: "the change is over: the parcel may leave" }];
}

/** Where an order has several parcels, each fact says which it is about. */
function toldOf(
  row: HistoryRow,
  about: { holds: readonly HoldRow[]; bookings: readonly ToldBooking[]; isOneOfSeveral: boolean },
): ToldHistory {
  const { holds, isOneOfSeveral } = about;
  const bookings = about.bookings.filter(({ parcel }) => parcel === row.parcel);
  const which = isOneOfSeveral ? ` (${row.shipmentId})` : "";
  const told = steps.flatMap(({ column, ...step }): ToldFact[] => {
    const time = row[column];
    if (!(time instanceof Date)) return [];
    const text = row.method === null ? "no parcel will be made" : `${step.text}${which}`;
    return [{ ...step, text, kind: "PARCEL", time }];
  });
  const tracked = row.tracking.map(
    ({ event, time }): ToldFact => ({
      kind: "PARCEL",
      name: "TRACKED",
      time: new Date(time),
      text: `the carrier reported ${event}${which}`,
    }),
  );
  const isHeldBack = holds.some(({ endTime }) => endTime === null);
  const facts = [...madeFacts(row), ...bookings.flatMap((booking) => bookingFacts(booking, which)), ...told, ...tracked];
  return { facts: facts.toSorted(byTime), waits: waitsOf(row, { which, isHeldBack, booking: bookings.at(-1) }) };
}

const byTime = (one: ToldFact, other: ToldFact): number => one.time.getTime() - other.time.getTime();

/** None of a parcel that was stopped before there was one. */
function madeFacts(row: HistoryRow): ToldFact[] {
  const { shipmentId, method, carrier, trackingNumber, bookingVersion, createTime, splitFrom, lines } = row;
  if (method === null) return [];
  const units = lines.map(({ sku, quantity }) => `${quantity} of ${sku}`).join(", ");
  const split = splitFrom === null ? "" : `, with ${units} out of ${splitFrom}`;
  // How it came by its number is told by itself where a carrier was asked for it.
  const label = bookingVersion > 0 ? method : `${method} by ${carrier}, number ${trackingNumber}`;
  const text = `a parcel is made, ${label}${split}`;
  return [{ kind: "PARCEL", name: "CREATED", id: shipmentId, time: createTime, text, toldBy: "ShipmentCreated" }];
}

function waitsOf(
  row: HistoryRow,
  { which, isHeldBack, booking }: { which: string; isHeldBack: boolean; booking: ToldBooking | undefined },
): ToldWait[] {
  const { state, shipmentId, trackingNumber, carrier, bookingRefusal: refusal, nextStepTime } = row;
  if (state === "CREATED" && isHeldBack) return [{ text: "the change of its order to be over, and then the parcel to leave" }];
  if (state === "CREATED" && trackingNumber === "") return [bookingWait({ shipmentId, carrier, refusal, which, booking })];
  const text = waitTexts[state];
  return text === undefined ? [] : [{ text: `${text}${which}`, ...(nextStepTime && { until: nextStepTime }) }];
}

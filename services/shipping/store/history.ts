// What shipping tells of an order's history: its parcel, what has held that back, and what the carrier reported. Where it was and who took it in is not told.
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
import type { Tables } from "./shipments.ts";

type Kept = Pick<
  Shipment,
  "shipmentId" | "state" | "method" | "carrier" | "trackingNumber" | "createTime" | "dispatchTime" | "deliverTime" | "failTime"
> &
  Pick<Shipment, "returnTime" | "stopTime">;

interface HistoryRow extends Kept {
  packTime: Date | null;
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
    const [row, holds] = await Promise.all([readHistory(db, order), readHolds(db, order)]);
    // It may be held back before it is made.
    const { facts, waits } = row ? toldOf(row, holds) : { facts: [], waits: [] };
    return { facts: [...facts, ...holds.flatMap(holdFacts)].toSorted(byTime), waits };
  };
}

async function readHistory(db: Kysely<Tables>, { tenant, orderId }: AskedOrder): Promise<HistoryRow | undefined> {
  const read = await sql<HistoryRow>`
    select shipment_id as "shipmentId", state, method, carrier, tracking_number as "trackingNumber", create_time as "createTime",
      dispatch_time as "dispatchTime", deliver_time as "deliverTime", fail_time as "failTime", return_time as "returnTime",
      stop_time as "stopTime", pack_time as "packTime",
      (
        select coalesce(json_agg(json_build_object('event', event, 'time', told.event_time) order by told.event_time, event), '[]')
        from (
          select event, event_time from tracking_event
          where tracking_event.tenant_id = shipment.tenant_id and tracking_event.order_id = shipment.order_id
          order by event_time, message_id limit ${factsMax}
        ) as told
      ) as tracking
    from shipment where tenant_id = ${tenant} and order_id = ${orderId}`.execute(db);
  return read.rows[0];
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

function toldOf(row: HistoryRow, holds: readonly HoldRow[]): ToldHistory {
  const told = steps.flatMap(({ column, ...step }): ToldFact[] => {
    const time = row[column];
    if (!(time instanceof Date)) return [];
    return [{ ...step, ...(row.method === null && { text: "no parcel will be made" }), kind: "PARCEL", time }];
  });
  const tracked = row.tracking.map(
    ({ event, time }): ToldFact => ({
      kind: "PARCEL",
      name: "TRACKED",
      time: new Date(time),
      text: `the carrier reported ${event}`,
    }),
  );
  const isHeldBack = holds.some(({ endTime }) => endTime === null);
  return { facts: [...madeFacts(row), ...told, ...tracked], waits: waitsOf(row, isHeldBack) };
}

const byTime = (one: ToldFact, other: ToldFact): number => one.time.getTime() - other.time.getTime();

/** None of a parcel that was stopped before there was one. */
function madeFacts({ shipmentId, method, carrier, trackingNumber, createTime }: HistoryRow): ToldFact[] {
  if (method === null) return [];
  const text = `a parcel is made, ${method} by ${carrier}, number ${trackingNumber}`;
  return [{ kind: "PARCEL", name: "CREATED", id: shipmentId, time: createTime, text, toldBy: "ShipmentCreated" }];
}

function waitsOf({ state }: HistoryRow, isHeldBack: boolean): ToldWait[] {
  if (state === "CREATED" && isHeldBack) return [{ text: "the change of its order to be over, and then the parcel to leave" }];
  const text = waitTexts[state];
  return text === undefined ? [] : [{ text }];
}

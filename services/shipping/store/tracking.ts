// The SQL of tracking events. They are added and read, and nothing but an erasure changes them.
import { sql, type Kysely, type Transaction } from "kysely";
import type { ParcelKey, Told, TrackingEvent } from "../domain/tracking.ts";
import type { Tables } from "./shipments.ts";

/** Of orders that are erased no places and words are kept. Answers those that are new, and whether something later was known of their parcel. */
export async function insertTracking(
  tx: Transaction<Tables>,
  events: readonly TrackingEvent[],
  now: Date,
): Promise<(ParcelKey & { isOld: boolean })[]> {
  if (events.length === 0) return [];
  const column = <Value>(pick: (event: TrackingEvent) => Value): Value[] => events.map(pick);
  const { rows } = await sql<ParcelKey & { isOld: boolean }>`
    insert into tracking_event as told (tenant_id, order_id, parcel, message_id, event, event_time, place, detail, receive_time)
    select tenant_id, order_id, parcel, message_id, event, event_time,
      case when is_erased then '' else place end, case when is_erased then '' else detail end, ${now}
    from unnest(
      ${column((event) => event.tenant)}::text[],
      ${column((event) => event.orderId)}::text[],
      ${column((event) => event.parcel)}::integer[],
      ${column((event) => event.id)}::text[],
      ${column((event) => event.event)}::text[],
      ${column((event) => event.time)}::timestamptz[],
      ${column((event) => event.place)}::text[],
      ${column((event) => event.detail)}::text[]
    ) as new (tenant_id, order_id, parcel, message_id, event, event_time, place, detail)
    join shipment using (tenant_id, order_id, parcel)
    on conflict do nothing
    returning tenant_id as tenant, order_id as "orderId", parcel, exists (
      select from tracking_event earlier
      where earlier.tenant_id = told.tenant_id and earlier.order_id = told.order_id and earlier.parcel = told.parcel
        and earlier.event_time > told.event_time
    ) as "isOld"`.execute(tx);
  return rows;
}

/** The newest of them, oldest first. */
export async function readTracking(db: Kysely<Tables>, { tenant, orderId, parcel }: ParcelKey, rowsMax: number): Promise<Told[]> {
  const { rows } = await sql<Told>`
    select message_id as id, event, event_time as time, place, detail from tracking_event
    where tenant_id = ${tenant} and order_id = ${orderId} and parcel = ${parcel}
    order by event_time desc, receive_time desc, message_id desc
    limit ${rowsMax}`.execute(db);
  return rows.toReversed();
}

/** The parcel that has the number; undefined where none has. */
export async function findByTrackingNumber(
  tx: Transaction<Tables>,
  { tenant, carrier, trackingNumber }: { tenant: string; carrier: string; trackingNumber: string },
): Promise<ParcelKey | undefined> {
  const { rows } = await sql<ParcelKey>`
    select tenant_id as tenant, order_id as "orderId", parcel from shipment
    where tracking_number = ${trackingNumber} and tracking_number <> '' and tenant_id = ${tenant} and carrier = ${carrier}
    order by order_id, parcel limit 1`.execute(tx);
  return rows[0];
}

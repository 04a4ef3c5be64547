// Parcels that do not leave while their orders are being changed, and what changes bring into them.
import { sql, type Kysely, type Transaction } from "kysely";
import type { Shipment } from "../domain/shipment.ts";
import { keyOf, type OrderKey, type Tables } from "./shipments.ts";

export interface Hold extends OrderKey {
  changeId: string;
}

/** "new": the caller is the first; "repeated": it is held; "ended": the order has said that the change is over. */
export async function insertHold(
  tx: Transaction<Tables>,
  { tenant, orderId, changeId }: Hold,
  now: Date,
): Promise<"new" | "repeated" | "ended"> {
  const inserted = await sql`
    insert into parcel_hold (tenant_id, order_id, change_id, create_time)
    values (${tenant}, ${orderId}, ${changeId}, ${now})
    on conflict do nothing`.execute(tx);
  if (inserted.numAffectedRows === 1n) return "new";
  const found = await sql<{ isOver: boolean }>`
    select end_time is not null as "isOver" from parcel_hold
    where tenant_id = ${tenant} and order_id = ${orderId} and change_id = ${changeId}`.execute(tx);
  return found.rows[0]?.isOver ? "ended" : "repeated";
}

/** Also of those that were never held: a call that comes late must find that it is too late. */
export async function endHolds(tx: Transaction<Tables>, holds: readonly Hold[], now: Date): Promise<void> {
  if (holds.length === 0) return;
  await sql`
    insert into parcel_hold (tenant_id, order_id, change_id, create_time, end_time)
    select *, ${now}::timestamptz, ${now}::timestamptz from unnest(
      ${holds.map(({ tenant }) => tenant)}::text[],
      ${holds.map(({ orderId }) => orderId)}::text[],
      ${holds.map(({ changeId }) => changeId)}::text[]
    )
    on conflict (tenant_id, order_id, change_id) do update set end_time = excluded.end_time`.execute(tx);
}

/** All holds of orders that are cancelled: none of their changes comes to an end that would be told. */
export async function endHoldsOf(tx: Transaction<Tables>, orders: readonly OrderKey[], now: Date): Promise<void> {
  await sql`
    update parcel_hold set end_time = ${now}
    where end_time is null and (tenant_id, order_id) in (
      select * from unnest(${orders.map(({ tenant }) => tenant)}::text[], ${orders.map(({ orderId }) => orderId)}::text[])
    )`.execute(tx);
}

/**
 * Of the given orders those whose parcel must not leave, by keyOf. Whoever lets parcels leave locks them first and asks then: a hold is
 * committed before its parcel is looked at, so one of both sees the other.
 */
export async function readHeld(db: Kysely<Tables>, orders: readonly OrderKey[]): Promise<Set<string>> {
  if (orders.length === 0) return new Set();
  const { rows } = await sql<OrderKey>`
    select distinct tenant_id as tenant, order_id as "orderId" from parcel_hold
    where end_time is null and (tenant_id, order_id) in (
      select * from unnest(${orders.map(({ tenant }) => tenant)}::text[], ${orders.map(({ orderId }) => orderId)}::text[])
    )`.execute(db);
  return new Set(rows.map(keyOf));
}

/** As a condition on rows of shipment. */
export const isNotHeld = sql`not exists (
  select from parcel_hold hold
  where hold.tenant_id = shipment.tenant_id and hold.order_id = shipment.order_id and hold.end_time is null
)`;

/** Other contents or another label for locked parcels that are still here. Whoever had claimed or packed one has to look again, so it is nobody's. */
export async function saveContents(tx: Transaction<Tables>, shipments: readonly Shipment[]): Promise<void> {
  if (shipments.length === 0) return;
  await sql`
    update shipment
    set lines = new.lines, address = new.address, method = new.method, carrier = new.carrier, tracking_number = new.tracking_number,
      booking_version = new.booking_version, booking_refusal = new.booking_refusal, booking_message = new.booking_message,
      event_count = new.event_count, number_count = new.number_count,
      pick_worker = '', pick_until = null, pack_time = null
    from unnest(
      ${shipments.map(({ tenant }) => tenant)}::text[],
      ${shipments.map(({ orderId }) => orderId)}::text[],
      ${shipments.map(({ parcel }) => parcel)}::integer[],
      ${shipments.map(({ lines }) => JSON.stringify(lines))}::jsonb[],
      ${shipments.map(({ address }) => address && JSON.stringify(address))}::jsonb[],
      ${shipments.map(({ method }) => method)}::text[],
      ${shipments.map(({ carrier }) => carrier)}::text[],
      ${shipments.map(({ trackingNumber }) => trackingNumber)}::text[],
      ${shipments.map(({ bookingVersion }) => bookingVersion)}::integer[],
      ${shipments.map(({ bookingRefusal }) => bookingRefusal)}::text[],
      ${shipments.map(({ bookingMessage }) => bookingMessage)}::text[],
      ${shipments.map(({ eventCount }) => eventCount)}::bigint[],
      ${shipments.map(({ numberCount }) => numberCount)}::integer[]
    ) as new (tenant_id, order_id, parcel, lines, address, method, carrier, tracking_number, booking_version, booking_refusal,
      booking_message, event_count, number_count)
    where shipment.tenant_id = new.tenant_id and shipment.order_id = new.order_id and shipment.parcel = new.parcel
      and state = 'CREATED'`.execute(tx);
}

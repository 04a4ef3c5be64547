// What of parcels identifies a person: where they go and were, and why they were stopped or brought on, in somebody's words.
import { sql, type Kysely, type Transaction } from "kysely";
import { remaindersMax, type PersonalData, type PersonalRecord, type Remainder } from "#runtime/privacy/personal-data.ts";
import type { OrderKey, Tables } from "./shipments.ts";

const tenantsOf = (orders: readonly OrderKey[]): string[] => orders.map(({ tenant }) => tenant);
const orderIdsOf = (orders: readonly OrderKey[]): string[] => orders.map(({ orderId }) => orderId);

/** Of orders that are final: their parcels move no more. The number of the parcel stays, which only its carrier knows. */
export async function eraseShipments(tx: Transaction<Tables>, orders: readonly OrderKey[]): Promise<void> {
  const wanted = sql`select * from unnest(${tenantsOf(orders)}::text[], ${orderIdsOf(orders)}::text[])`;
  await sql`
    update shipment set address = null, stop_reason = '', fail_reason = '', booking_message = '', is_erased = true
    where (tenant_id, order_id) in (
      select tenant_id, order_id from shipment where (tenant_id, order_id) in (${wanted})
      order by tenant_id, order_id, parcel
      for update
    )`.execute(tx);
  await sql`update resumption set reason = '' where (tenant_id, order_id) in (${wanted})`.execute(tx);
  await sql`delete from parcel_hold where (tenant_id, order_id) in (${wanted})`.execute(tx);
  // The carrier's label has name and address on it.
  await sql`
    update booking set label = null where (tenant_id, order_id) in (${wanted}) and label is not null`.execute(tx);
  // Where it was and who took it in say where somebody lives; what happened when says nothing.
  await sql`update tracking_event set place = '', detail = '' where (tenant_id, order_id) in (${wanted})`.execute(tx);
}

/** A shipment is an order's, and whose that is shipping does not know: it is asked by order. */
export function shipmentData(db: Kysely<Tables>): PersonalData {
  return {
    list: async ({ tenant, orderIds }) => {
      if (orderIds.length === 0) return { records: [] };
      const read = await sql<PersonalRecord>`
        select 'shipment' as kind, shipment_id as id,
          to_jsonb(shipment) - '{tenant_id,ready_event_id,event_count,is_erased,pick_worker,pick_until,parcel,split_request_id,split_request_hash,booking_version,number_count}'::text[] || jsonb_build_object('tracking', (
            select coalesce(jsonb_agg(to_jsonb(told) - '{tenant_id,order_id,parcel}'::text[] order by event_time), '[]')
            from tracking_event told
            where told.tenant_id = shipment.tenant_id and told.order_id = shipment.order_id and told.parcel = shipment.parcel
          )) as content
        from shipment
        where tenant_id = ${tenant} and order_id = any(${[...orderIds]}::text[])
        order by order_id, parcel`.execute(db);
      return { records: read.rows };
    },

    remainders: async ({ tenant, orderIds }) => {
      if (orderIds.length === 0) return [];
      const read = await sql<Remainder>`
        select 'shipment' as kind, shipment_id as id, 'SOON' as reason from shipment
        where tenant_id = ${tenant} and order_id = any(${[...orderIds]}::text[])
          and (address is not null or stop_reason <> '' or fail_reason <> '' or booking_message <> '' or exists (
            select from booking
            where booking.tenant_id = shipment.tenant_id and booking.order_id = shipment.order_id
              and booking.parcel = shipment.parcel and label is not null
          ) or exists (
            select from tracking_event
            where tracking_event.tenant_id = shipment.tenant_id and tracking_event.order_id = shipment.order_id
              and tracking_event.parcel = shipment.parcel and (place <> '' or detail <> '')
          ))
        limit ${remaindersMax}`.execute(db);
      return read.rows;
    },
  };
}

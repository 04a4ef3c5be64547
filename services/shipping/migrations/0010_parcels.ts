// An order may leave in several parcels: the first is there as ever, and others are split off.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    alter table tracking_event
      drop constraint tracking_event_tenant_id_order_id_fkey,
      drop constraint tracking_event_pkey,
      add column parcel integer not null default 1`.execute(db);
  await sql`
    alter table resumption
      drop constraint resumption_tenant_id_order_id_fkey,
      add column parcel integer not null default 1`.execute(db);
  await sql`
    alter table shipment
      drop constraint shipment_pkey,
      add column parcel integer not null default 1 check (parcel >= 1),
      add column split_from text,
      add column split_request_id text,
      add column split_request_hash bytea,
      add primary key (tenant_id, order_id, parcel),
      add constraint others_are_split_off check (
        (parcel > 1) = (split_from is not null)
        and (split_from is null) = (split_request_id is null)
        and (split_from is null) = (split_request_hash is null))`.execute(db);
  await sql`
    create unique index shipment_split_once on shipment (order_id, split_request_id, tenant_id)
    where split_request_id is not null`.execute(db);
  await sql`
    alter table tracking_event
      add primary key (tenant_id, order_id, parcel, message_id),
      add foreign key (tenant_id, order_id, parcel) references shipment`.execute(db);
  await sql`alter table resumption add foreign key (tenant_id, order_id, parcel) references shipment`.execute(db);
  // The turn of a parcel ends with its place, as pages are read by it.
  await sql`drop index shipment_pick_queue`.execute(db);
  await sql`
    create index shipment_pick_queue on shipment (tenant_id, (priority <> 'RUSH'), create_time, order_id, parcel)
    where state = 'CREATED' and pack_time is null`.execute(db);
}

/** Fails where an order has several parcels. */
export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop index shipment_pick_queue, shipment_split_once`.execute(db);
  await sql`
    create index shipment_pick_queue on shipment (tenant_id, (priority <> 'RUSH'), create_time, order_id)
    where state = 'CREATED' and pack_time is null`.execute(db);
  await sql`
    alter table resumption
      drop constraint resumption_tenant_id_order_id_parcel_fkey,
      drop column parcel`.execute(db);
  await sql`
    alter table tracking_event
      drop constraint tracking_event_tenant_id_order_id_parcel_fkey,
      drop constraint tracking_event_pkey`.execute(db);
  await sql`
    alter table shipment
      drop constraint shipment_pkey,
      drop column parcel,
      drop column split_from,
      drop column split_request_id,
      drop column split_request_hash,
      add primary key (tenant_id, order_id)`.execute(db);
  await sql`
    alter table tracking_event
      drop column parcel,
      add primary key (tenant_id, order_id, message_id),
      add foreign key (tenant_id, order_id) references shipment`.execute(db);
  await sql`alter table resumption add foreign key (tenant_id, order_id) references shipment`.execute(db);
}

// Carriers report what becomes of parcels: what they told is kept, deliveries fail, and parcels come back.
import { sql, type Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    alter table shipment
      add column customer_id text not null default '',
      add column fail_time timestamptz,
      add column fail_reason text not null default '',
      add column return_time timestamptz,
      add column is_erased boolean not null default false,
      drop constraint shipment_state_check,
      drop constraint times_of_state,
      drop constraint one_event_a_step`.execute(db);
  // Every row has passed stricter rules before, so nobody has to wait until all are looked at.
  await sql`
    alter table shipment
      add constraint shipment_state_check
        check (state in ('CREATED', 'DISPATCHED', 'DELIVERY_FAILED', 'DELIVERED', 'RETURNED', 'STOPPED')) not valid,
      add constraint times_of_state check (
        (dispatch_time is not null) = (state in ('DISPATCHED', 'DELIVERY_FAILED', 'DELIVERED', 'RETURNED'))
        and (deliver_time is not null) = (state = 'DELIVERED')
        and (return_time is not null) = (state = 'RETURNED')
        and (stop_time is not null) = (state = 'STOPPED')
        and case state
          when 'DELIVERY_FAILED' then fail_time is not null
          when 'DELIVERED' then true
          when 'RETURNED' then true
          else fail_time is null
        end) not valid,
      add constraint one_event_a_step check (
        case
          when ready_event_id is null then event_count in (0, 1)
          when state = 'CREATED' then event_count = 1
          when state in ('DELIVERED', 'RETURNED') then event_count = 3 + (fail_time is not null)::integer
          when state = 'DELIVERY_FAILED' then event_count = 3
          else event_count = 2
        end) not valid`.execute(db);
  await sql`create index shipment_by_tracking_number on shipment (tracking_number, tenant_id) where tracking_number <> ''`.execute(
    db,
  );
  await sql`
    create table tracking_event (
      tenant_id text not null,
      order_id text not null,
      message_id text not null,
      event text not null,
      event_time timestamptz not null,
      place text not null,
      detail text not null,
      receive_time timestamptz not null,
      primary key (tenant_id, order_id, message_id),
      foreign key (tenant_id, order_id) references shipment
    )`.execute(db);
  await isolateTenants(db, ["tracking_event"]);
}

/** Fails where a delivery has failed or a parcel has come back since. */
export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, ["tracking_event"]);
  await sql`drop table tracking_event`.execute(db);
  await sql`drop index shipment_by_tracking_number`.execute(db);
  await sql`
    alter table shipment
      drop constraint shipment_state_check,
      drop constraint times_of_state,
      drop constraint one_event_a_step,
      drop column customer_id,
      drop column fail_time,
      drop column fail_reason,
      drop column return_time,
      drop column is_erased,
      add constraint shipment_state_check check (state in ('CREATED', 'DISPATCHED', 'DELIVERED', 'STOPPED')),
      add constraint times_of_state check (
        (dispatch_time is not null) = (state in ('DISPATCHED', 'DELIVERED'))
        and (deliver_time is not null) = (state = 'DELIVERED')
        and (stop_time is not null) = (state = 'STOPPED')),
      add constraint one_event_a_step check (
        case
          when ready_event_id is null then event_count in (0, 1)
          when state = 'CREATED' then event_count = 1
          when state = 'DELIVERED' then event_count = 3
          else event_count = 2
        end)`.execute(db);
}

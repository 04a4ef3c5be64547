// Carriers that have to be called for the number of a parcel: what was asked of them, and what they said. A parcel without a number
// waits, and neither is packed nor leaves.
import { sql, type Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    alter table shipment
      add column booking_version integer not null default 0,
      add column booking_refusal text not null default '',
      add column booking_message text not null default '',
      add column number_count integer not null default 0,
      drop constraint a_parcel_is_labelled,
      drop constraint one_event_a_step`.execute(db);
  // Every row has passed stricter rules before, so nobody has to wait until all are looked at.
  await sql`
    alter table shipment
      add constraint a_parcel_is_labelled check (
        case when ready_event_id is null
          then state = 'STOPPED' and method is null and carrier = '' and tracking_number = '' and address is null
          else method is not null and carrier <> '' and (tracking_number <> '' or booking_version > 0)
        end) not valid,
      add constraint what_is_packed_or_gone_is_booked check (
        tracking_number <> '' or (state in ('CREATED', 'STOPPED') and pack_time is null)) not valid,
      add constraint what_is_refused_has_no_number check (booking_refusal = '' or tracking_number = '') not valid,
      add constraint one_event_a_step check (
        case
          when ready_event_id is null then event_count in (0, 1)
          when state = 'CREATED' then event_count = 1 + number_count
          when state in ('DELIVERED', 'RETURNED') then event_count = 3 + number_count + (fail_time is not null)::integer
          when state = 'DELIVERY_FAILED' then event_count = 3 + number_count
          else event_count = 2 + number_count
        end) not valid`.execute(db);
  // By the parcel and how often it was asked for, so that no two bookings of one parcel have the same key at a carrier.
  await sql`
    create table booking (
      tenant_id text not null,
      order_id text not null,
      parcel integer not null,
      version integer not null check (version >= 1),
      carrier text not null check (carrier <> ''),
      state text not null check (
        state in ('REQUESTED', 'BOOKED', 'REFUSED', 'CANCELLING', 'CANCELLED', 'NOT_CANCELLED')),
      tracking_number text not null default '',
      label bytea check (octet_length(label) <= 1048576),
      refusal text not null default '',
      problem text not null default '',
      create_time timestamptz not null,
      ask_time timestamptz,
      book_time timestamptz,
      end_time timestamptz,
      primary key (tenant_id, order_id, parcel, version),
      foreign key (tenant_id, order_id, parcel) references shipment,
      constraint nothing_comes_of_what_was_not_asked check (ask_time is not null or state in ('REQUESTED', 'CANCELLED')),
      constraint what_is_booked_has_a_number check (
        (book_time is not null) = (tracking_number <> '')
        and (book_time is not null or state <> 'BOOKED')
        and (book_time is null or state not in ('REQUESTED', 'REFUSED'))),
      constraint a_refusal_has_a_reason check ((refusal <> '') = (state in ('REFUSED', 'NOT_CANCELLED'))),
      constraint an_end_has_a_time check ((end_time is not null) = (state in ('REFUSED', 'CANCELLED', 'NOT_CANCELLED')))
    )`.execute(db);
  await isolateTenants(db, ["booking"]);
  // Nobody packs what has no number, so however much of that waits, a page of the queue does not read it.
  await sql`drop index shipment_pick_queue`.execute(db);
  await sql`
    create index shipment_pick_queue on shipment (tenant_id, (priority <> 'RUSH'), create_time, order_id, parcel)
    where state = 'CREATED' and pack_time is null and tracking_number <> ''`.execute(db);
  await sql`
    create index shipment_unbooked on shipment (tenant_id, create_time, order_id, parcel)
    where state = 'CREATED' and tracking_number = ''`.execute(db);
  await sql`
    alter table resumption
      drop constraint resumption_step_check,
      add constraint resumption_step_check check (step in ('shipping.book', 'shipping.dispatch', 'shipping.deliver')) not valid`.execute(
    db,
  );
}

/** Fails where a parcel waits for a number or had another one before. */
export async function down(db: Kysely<never>): Promise<void> {
  await sql`
    alter table resumption
      drop constraint resumption_step_check,
      add constraint resumption_step_check check (step in ('shipping.dispatch', 'shipping.deliver'))`.execute(db);
  await sql`drop index shipment_unbooked, shipment_pick_queue`.execute(db);
  await sql`
    create index shipment_pick_queue on shipment (tenant_id, (priority <> 'RUSH'), create_time, order_id, parcel)
    where state = 'CREATED' and pack_time is null`.execute(db);
  await releaseTables(db, ["booking"]);
  await sql`drop table booking`.execute(db);
  await sql`
    alter table shipment
      drop constraint a_parcel_is_labelled,
      drop constraint what_is_packed_or_gone_is_booked,
      drop constraint what_is_refused_has_no_number,
      drop constraint one_event_a_step,
      drop column booking_version,
      drop column booking_refusal,
      drop column booking_message,
      drop column number_count,
      add constraint a_parcel_is_labelled check (
        case when ready_event_id is null
          then state = 'STOPPED' and method is null and carrier = '' and tracking_number = '' and address is null
          else method is not null and carrier <> '' and tracking_number <> ''
        end),
      add constraint one_event_a_step check (
        case
          when ready_event_id is null then event_count in (0, 1)
          when state = 'CREATED' then event_count = 1
          when state in ('DELIVERED', 'RETURNED') then event_count = 3 + (fail_time is not null)::integer
          when state = 'DELIVERY_FAILED' then event_count = 3
          else event_count = 2
        end)`.execute(db);
}

// One shipment an order, also for orders that must never have one; and what sending costs.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table shipment (
      tenant_id text not null,
      order_id text not null,
      shipment_id text not null,
      state text not null check (state in ('CREATED', 'DISPATCHED', 'DELIVERED', 'STOPPED')),
      method text check (method in ('STANDARD', 'EXPRESS')),
      carrier text not null,
      tracking_number text not null,
      address jsonb,
      ready_event_id text,
      stop_reason text not null,
      create_time timestamptz not null,
      dispatch_time timestamptz,
      deliver_time timestamptz,
      stop_time timestamptz,
      event_count bigint not null,
      primary key (tenant_id, order_id),
      unique (tenant_id, shipment_id),
      constraint times_of_state check (
        (dispatch_time is not null) = (state in ('DISPATCHED', 'DELIVERED'))
        and (deliver_time is not null) = (state = 'DELIVERED')
        and (stop_time is not null) = (state = 'STOPPED')),
      constraint a_parcel_is_labelled check (
        case when ready_event_id is null
          then state = 'STOPPED' and method is null and carrier = '' and tracking_number = '' and address is null
          else method is not null and carrier <> '' and tracking_number <> ''
        end),
      constraint one_event_a_step check (
        case
          when ready_event_id is null then event_count in (0, 1)
          when state = 'CREATED' then event_count = 1
          when state = 'DELIVERED' then event_count = 3
          else event_count = 2
        end)
    )`.execute(db);

  await sql`
    create table rate (
      tenant_id text not null,
      method text not null check (method in ('STANDARD', 'EXPRESS')),
      currency_code text not null check (currency_code ~ '^[A-Z]{3}$'),
      zone text not null check (zone in ('domestic', 'international')),
      base_minor_units bigint not null check (base_minor_units >= 0),
      unit_minor_units bigint not null check (unit_minor_units between 0 and 1000000),
      max_minor_units bigint not null check (max_minor_units >= base_minor_units),
      primary key (tenant_id, currency_code, zone, method)
    )`.execute(db);
  // The first unit, every further one, and the most that a parcel costs.
  await sql`
    insert into rate (tenant_id, method, currency_code, zone, base_minor_units, unit_minor_units, max_minor_units)
    select 'demo', * from (values
      ('STANDARD', 'USD', 'domestic', 499, 50, 4999),
      ('EXPRESS', 'USD', 'domestic', 1499, 100, 9999),
      ('STANDARD', 'USD', 'international', 1499, 150, 14999),
      ('EXPRESS', 'USD', 'international', 3999, 300, 29999),
      ('STANDARD', 'EUR', 'domestic', 499, 50, 4999),
      ('EXPRESS', 'EUR', 'domestic', 1499, 100, 9999),
      ('STANDARD', 'EUR', 'international', 1499, 150, 14999),
      ('EXPRESS', 'EUR', 'international', 3999, 300, 29999),
      ('STANDARD', 'GBP', 'domestic', 399, 40, 3999),
      ('EXPRESS', 'GBP', 'domestic', 1299, 80, 7999),
      ('STANDARD', 'GBP', 'international', 1299, 120, 11999),
      ('EXPRESS', 'GBP', 'international', 3499, 250, 24999),
      ('STANDARD', 'JPY', 'domestic', 700, 70, 7000),
      ('EXPRESS', 'JPY', 'domestic', 2100, 140, 14000),
      ('STANDARD', 'JPY', 'international', 2100, 210, 21000),
      ('EXPRESS', 'JPY', 'international', 5600, 420, 42000)
    ) as seed`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table rate, shipment`.execute(db);
}

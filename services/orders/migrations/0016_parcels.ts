// An order may leave in several parcels, and is partially shipped until the last one has left.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // Every row has passed stricter rules before, so nobody has to wait until all are looked at.
  await sql`
    alter table orders
      drop constraint orders_state_check,
      add constraint orders_state_check check (
        state in ('scheduled', 'pending', 'pending_shipment', 'partially_shipped', 'shipped', 'delivered', 'returned', 'cancelled')
      ) not valid`.execute(db);
  await sql`
    alter table order_services
      add column parcels jsonb not null default '[]' check (jsonb_typeof(parcels) = 'array'),
      drop constraint order_services_shipment_status_check,
      add constraint order_services_shipment_status_check check (shipment_status in
        ('pending', 'created', 'partially_dispatched', 'dispatched', 'delivery_failed', 'delivered', 'returned', 'stopped')
      ) not valid`.execute(db);
  await sql`drop index orders_open`.execute(db);
  await sql`
    create index orders_open on orders (tenant_id, order_id)
    where state in ('scheduled', 'pending', 'pending_shipment', 'partially_shipped', 'shipped')`.execute(db);
}

/** Fails where some parcels of an order have left and others have not. */
export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop index orders_open`.execute(db);
  await sql`
    create index orders_open on orders (tenant_id, order_id)
    where state in ('scheduled', 'pending', 'pending_shipment', 'shipped')`.execute(db);
  await sql`
    alter table order_services
      drop column parcels,
      drop constraint order_services_shipment_status_check,
      add constraint order_services_shipment_status_check check (
        shipment_status in ('pending', 'created', 'dispatched', 'delivery_failed', 'delivered', 'returned', 'stopped')
      )`.execute(db);
  await sql`
    alter table orders
      drop constraint orders_state_check,
      add constraint orders_state_check
        check (state in ('scheduled', 'pending', 'pending_shipment', 'shipped', 'delivered', 'returned', 'cancelled'))`.execute(
    db,
  );
}

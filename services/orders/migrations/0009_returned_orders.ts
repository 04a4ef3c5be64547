// Parcels come back, and so their orders end.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // Every row has passed stricter rules before, so nobody has to wait until all are looked at.
  await sql`
    alter table orders
      drop constraint orders_state_check,
      drop constraint only_final_orders_are_erased,
      add constraint orders_state_check
        check (state in ('scheduled', 'pending', 'pending_shipment', 'shipped', 'delivered', 'returned', 'cancelled')) not valid,
      add constraint only_final_orders_are_erased
        check (erase_time is null or state in ('delivered', 'returned', 'cancelled')) not valid`.execute(db);
  await sql`
    alter table order_services
      drop constraint order_services_shipment_status_check,
      add constraint order_services_shipment_status_check check (
        shipment_status in ('pending', 'created', 'dispatched', 'delivery_failed', 'delivered', 'returned', 'stopped')
      ) not valid`.execute(db);
}

/** Fails where a delivery has failed or an order has come back since. */
export async function down(db: Kysely<never>): Promise<void> {
  await sql`
    alter table order_services
      drop constraint order_services_shipment_status_check,
      add constraint order_services_shipment_status_check
        check (shipment_status in ('pending', 'created', 'dispatched', 'delivered', 'stopped'))`.execute(db);
  await sql`
    alter table orders
      drop constraint orders_state_check,
      drop constraint only_final_orders_are_erased,
      add constraint orders_state_check check (state in ('scheduled', 'pending', 'pending_shipment', 'shipped', 'delivered', 'cancelled')),
      add constraint only_final_orders_are_erased
        check (erase_time is null or state in ('delivered', 'cancelled')) not valid`.execute(db);
}

// What comes back of orders is booked in, once for each return.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // No movement is of the new kind yet, so nobody has to wait until all are looked at.
  await sql`
    alter table stock_movement
      add column return_id text collate "C",
      drop constraint stock_movement_type_check,
      add constraint stock_movement_type_check check (type in ('INITIAL', 'ADJUSTMENT', 'SHIPMENT', 'RETURN')) not valid,
      drop constraint stock_movement_shipment,
      add constraint stock_movement_shipment check (
        (type in ('SHIPMENT', 'RETURN')) = (order_id is not null) and (type <> 'SHIPMENT' or quantity < 0)
      ) not valid,
      add constraint stock_movement_return check (
        (type = 'RETURN') = (return_id is not null) and (type <> 'RETURN' or quantity > 0)
      ) not valid`.execute(db);
  await sql`
    create unique index stock_movement_returned_once on stock_movement (return_id, sku, tenant_id) where type = 'RETURN'`.execute(
    db,
  );
}

/** Fails where something has come back since. */
export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop index stock_movement_returned_once`.execute(db);
  await sql`
    alter table stock_movement
      drop constraint stock_movement_return,
      drop constraint stock_movement_shipment,
      add constraint stock_movement_shipment check (
        (type = 'SHIPMENT') = (order_id is not null) and (type <> 'SHIPMENT' or quantity < 0)
      ),
      drop constraint stock_movement_type_check,
      add constraint stock_movement_type_check check (type in ('INITIAL', 'ADJUSTMENT', 'SHIPMENT')),
      drop column return_id`.execute(db);
}

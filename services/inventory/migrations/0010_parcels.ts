// What is held for an order may leave in several parcels.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // What has left in one parcel is what was held, so rows of before need no other figures.
  await sql`alter table reservation add column parcels text[] not null default '{}'`.execute(db);
  await sql`
    alter table reservation_line
      add column shipped bigint not null default 0,
      add constraint no_more_shipped_than_held check (shipped between 0 and quantity) not valid`.execute(db);
  await sql`alter table stock_movement add column shipment_id text collate "C" not null default ''`.execute(db);
  await sql`drop index stock_movement_shipped_once`.execute(db);
  await sql`
    create unique index stock_movement_shipped_once on stock_movement (order_id, sku, shipment_id, tenant_id)
    where type = 'SHIPMENT'`.execute(db);
}

/** Fails where an order has left in several parcels. */
export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop index stock_movement_shipped_once`.execute(db);
  await sql`
    create unique index stock_movement_shipped_once on stock_movement (order_id, sku, tenant_id) where type = 'SHIPMENT'`.execute(
    db,
  );
  await sql`alter table stock_movement drop column shipment_id`.execute(db);
  await sql`alter table reservation_line drop column shipped`.execute(db);
  await sql`alter table reservation drop column parcels`.execute(db);
}

// Only the key of a table begins with its tenant. An index that begins with it too looks as good for one row as the key
// does, as long as the table is new and nothing is known about it, and then reads every row of the tenant.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`drop index stock_movement_by_sku, stock_movement_initial_once, stock_movement_shipped_once, reservation_line_by_sku`.execute(
    db,
  );
  await sql`create index stock_movement_by_sku on stock_movement (sku, tenant_id, movement_id)`.execute(db);
  await sql`create unique index stock_movement_initial_once on stock_movement (sku, tenant_id) where type = 'INITIAL'`.execute(
    db,
  );
  await sql`create unique index stock_movement_shipped_once on stock_movement (order_id, sku, tenant_id) where type = 'SHIPMENT'`.execute(
    db,
  );
  await sql`create index reservation_line_by_sku on reservation_line (sku, tenant_id, order_id)`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop index stock_movement_by_sku, stock_movement_initial_once, stock_movement_shipped_once, reservation_line_by_sku`.execute(
    db,
  );
  await sql`create index stock_movement_by_sku on stock_movement (tenant_id, sku, movement_id)`.execute(db);
  await sql`create unique index stock_movement_initial_once on stock_movement (tenant_id, sku) where type = 'INITIAL'`.execute(
    db,
  );
  await sql`create unique index stock_movement_shipped_once on stock_movement (tenant_id, order_id, sku) where type = 'SHIPMENT'`.execute(
    db,
  );
  await sql`create index reservation_line_by_sku on reservation_line (tenant_id, sku, order_id)`.execute(db);
}

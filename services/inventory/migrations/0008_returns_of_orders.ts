// An audit asks what came back of orders.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`create index stock_movement_returned on stock_movement (order_id, tenant_id) where type = 'RETURN'`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop index stock_movement_returned`.execute(db);
}

// Who asks for what is not final reads as many rows as there are of it, however many orders have come and gone.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create index orders_open on orders (tenant_id, order_id)
    where state in ('pending', 'pending_shipment', 'shipped')`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop index orders_open`.execute(db);
}

// Only the key of a table begins with its tenant. An index that begins with it too looks as good for one row as the key
// does, as long as the table is new and nothing is known about it, and then reads every row of the tenant.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`alter table shipment drop constraint shipment_tenant_id_shipment_id_key, add unique (shipment_id, tenant_id)`.execute(
    db,
  );
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`alter table shipment drop constraint shipment_shipment_id_tenant_id_key, add unique (tenant_id, shipment_id)`.execute(
    db,
  );
}

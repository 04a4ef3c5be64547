// Only the key of a table begins with its tenant. An index that begins with it too looks as good for one row as the key
// does, as long as the table is new and nothing is known about it, and then reads every row of the tenant.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`alter table payment drop constraint payment_tenant_id_payment_id_key, add unique (payment_id, tenant_id)`.execute(db);
  await sql`drop index refund_by_order, ledger_entry_by_order, ledger_entry_once, sandbox_charge_by_time, sandbox_operation_by_charge`.execute(
    db,
  );
  await sql`create index refund_by_order on refund (order_id, tenant_id)`.execute(db);
  await sql`create index ledger_entry_by_order on ledger_entry (order_id, tenant_id)`.execute(db);
  await sql`create unique index ledger_entry_once on ledger_entry (order_id, tenant_id, type) where type <> 'REFUND'`.execute(db);
  await sql`create index sandbox_charge_by_time on sandbox_charge (create_time, tenant_id, reference)`.execute(db);
  await sql`create index sandbox_operation_by_charge on sandbox_operation (reference, tenant_id) where kind = 'authorize'`.execute(
    db,
  );
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop index refund_by_order, ledger_entry_by_order, ledger_entry_once, sandbox_charge_by_time, sandbox_operation_by_charge`.execute(
    db,
  );
  await sql`create index refund_by_order on refund (tenant_id, order_id)`.execute(db);
  await sql`create index ledger_entry_by_order on ledger_entry (tenant_id, order_id)`.execute(db);
  await sql`create unique index ledger_entry_once on ledger_entry (tenant_id, order_id, type) where type <> 'REFUND'`.execute(db);
  await sql`create index sandbox_charge_by_time on sandbox_charge (tenant_id, create_time, reference)`.execute(db);
  await sql`create index sandbox_operation_by_charge on sandbox_operation (tenant_id, reference) where kind = 'authorize'`.execute(
    db,
  );
  await sql`alter table payment drop constraint payment_payment_id_tenant_id_key, add unique (tenant_id, payment_id)`.execute(db);
}

// Customers who are to be forgotten, and orders from which they were taken out.
import { sql, type Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table erased_customer (
      tenant_id text collate "C" not null,
      customer_id text collate "C" not null,
      erase_time timestamptz not null,
      primary key (tenant_id, customer_id)
    )`.execute(db);
  await isolateTenants(db, ["erased_customer"]);
  // No order is erased yet, so nobody has to wait until all are looked at.
  await sql`
    alter table orders
      add column erase_time timestamptz,
      add constraint only_final_orders_are_erased check (erase_time is null or state in ('delivered', 'cancelled')) not valid,
      add constraint no_person_in_the_erased check (
        erase_time is null
        or (shipping_address is null and payment_token = '' and cancel_detail = '' and request_hash is null)) not valid`.execute(
    db,
  );
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`
    alter table orders
      drop constraint no_person_in_the_erased, drop constraint only_final_orders_are_erased, drop column erase_time`.execute(db);
  await releaseTables(db, ["erased_customer"]);
  await sql`drop table erased_customer`.execute(db);
}

// Goods that come back after delivery.
import { sql, type Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table order_return (
      tenant_id text collate "C" not null,
      order_id text not null,
      return_id text collate "C" not null,
      state text not null check (state in ('requested', 'approved', 'rejected', 'received')),
      lines jsonb not null,
      words text not null,
      decision_words text not null default '',
      -- Minor units; what was received has one.
      refund bigint check (refund >= 0 and (refund is not null) = (state = 'received')),
      is_shipping_refunded boolean not null default false check (not is_shipping_refunded or state = 'received'),
      request_id text collate "C" not null,
      request_hash bytea,
      create_time timestamptz not null,
      update_time timestamptz not null,
      primary key (tenant_id, return_id),
      foreign key (tenant_id, order_id) references orders
    )`.execute(db);
  await sql`create unique index order_return_by_request on order_return (order_id, request_id, tenant_id)`.execute(db);
  // What sending has cost is given back once.
  await sql`
    create unique index order_return_shipping_once on order_return (order_id, tenant_id) where is_shipping_refunded`.execute(db);
  await sql`create index order_return_by_state on order_return (state, tenant_id, return_id)`.execute(db);
  await isolateTenants(db, ["order_return"]);
}

export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, ["order_return"]);
  await sql`drop table order_return`.execute(db);
}

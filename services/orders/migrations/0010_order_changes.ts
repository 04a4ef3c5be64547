// Orders can be changed until their parcel leaves.
import { sql, type Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table order_change (
      tenant_id text collate "C" not null,
      order_id text not null,
      change_id text collate "C" not null,
      state text not null check (state in ('requested', 'applied', 'refused')),
      reason text not null default '' check ((reason <> '') = (state = 'refused')),
      detail text not null default '',
      -- What of the order can be changed, without and with the change.
      before jsonb not null,
      after jsonb not null,
      words text not null,
      request_id text collate "C" not null,
      request_hash bytea,
      create_time timestamptz not null,
      end_time timestamptz check ((end_time is null) = (state = 'requested')),
      primary key (tenant_id, order_id, change_id),
      foreign key (tenant_id, order_id) references orders
    )`.execute(db);
  await sql`create unique index order_change_by_request on order_change (order_id, request_id, tenant_id)`.execute(db);
  // One change at a time.
  await sql`create unique index order_change_under_way on order_change (order_id, tenant_id) where state = 'requested'`.execute(
    db,
  );
  await isolateTenants(db, ["order_change"]);
  await sql`
    alter table orders
      add column last_change_id text not null default '',
      add column last_change_state text not null default '',
      add column last_change_reason text not null default '',
      -- What it cost when it was screened and payment was asked for; null where that is the total.
      add column asked_total bigint,
      add constraint no_change_above_what_was_asked check (asked_total is null or total <= asked_total) not valid`.execute(db);
}

/** Fails nowhere; that orders were changed is forgotten. */
export async function down(db: Kysely<never>): Promise<void> {
  await sql`
    alter table orders
      drop constraint no_change_above_what_was_asked, drop column asked_total,
      drop column last_change_reason, drop column last_change_state, drop column last_change_id`.execute(db);
  await releaseTables(db, ["order_change"]);
  await sql`drop table order_change`.execute(db);
}

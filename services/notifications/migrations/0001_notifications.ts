// What customers are told of their orders: templates, preferences, orders that were heard of, and notifications.
import { sql, type Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

const tables = ["template", "preference", "erased_customer", "heard_order", "notification"];

export async function up(db: Kysely<never>): Promise<void> {
  // Only what a shop has replaced or added; the others are data of the program.
  await sql`
    create table template (
      tenant_id text collate "C" not null,
      fact text collate "C" not null,
      channel text collate "C" not null,
      language text collate "C" not null,
      subject text not null,
      text text not null check (text <> ''),
      html text not null,
      update_time timestamptz not null,
      primary key (tenant_id, fact, channel, language)
    )`.execute(db);
  await sql`
    create table preference (
      tenant_id text collate "C" not null,
      customer_id text collate "C" not null,
      fact text collate "C" not null,
      channel text collate "C" not null,
      enabled boolean not null,
      primary key (tenant_id, customer_id, fact, channel)
    )`.execute(db);
  // Nothing of them may come back.
  await sql`
    create table erased_customer (
      tenant_id text collate "C" not null,
      customer_id text collate "C" not null,
      primary key (tenant_id, customer_id)
    )`.execute(db);
  // Later facts of an order say neither whose it is nor what it costs.
  await sql`
    create table heard_order (
      tenant_id text collate "C" not null,
      order_id text collate "C" not null,
      customer_id text collate "C" not null,
      total json,
      hear_time timestamptz not null,
      primary key (tenant_id, order_id)
    )`.execute(db);
  await sql`create index heard_order_by_time on heard_order (hear_time)`.execute(db);
  await sql`
    create table notification (
      tenant_id text collate "C" not null,
      notification_id text collate "C" not null,
      order_id text collate "C" not null,
      customer_id text collate "C" not null,
      fact text collate "C" not null,
      channel text collate "C" not null,
      -- Tells apart what may happen several times to an order: the event of a refund; empty for all else.
      subject_id text collate "C" not null,
      state text collate "C" not null check (state in ('PLANNED', 'SENDING', 'SENT', 'SKIPPED', 'FAILED', 'UNKNOWN')),
      reason text not null default '',
      provider text not null default '',
      language text not null default '',
      attempts integer not null default 0 check (attempts >= 0),
      data json not null,
      message json,
      claim_time timestamptz,
      fact_time timestamptz not null,
      create_time timestamptz not null,
      update_time timestamptz not null,
      primary key (tenant_id, notification_id),
      constraint message_while_sending check ((message is not null) = (state = 'SENDING')),
      constraint skipped_for_a_reason check (state <> 'SKIPPED' or reason <> '')
    )`.execute(db);
  // One message at most for each fact, whatever the number of times that it is heard.
  await sql`
    create unique index notification_once on notification (order_id, fact, channel, subject_id, tenant_id)`.execute(db);
  await sql`create index notification_by_customer on notification (customer_id, tenant_id, notification_id)`.execute(db);
  await sql`create index notification_by_time on notification (create_time)`.execute(db);
  await isolateTenants(db, tables);
}

export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, tables);
  await sql`drop table notification, heard_order, erased_customer, preference, template`.execute(db);
}

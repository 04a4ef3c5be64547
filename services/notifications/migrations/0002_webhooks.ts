// Endpoints of other programs, what they are told, and each call.
import { sql, type Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

const tables = ["webhook_endpoint", "webhook_delivery", "webhook_attempt"];

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table webhook_endpoint (
      tenant_id text collate "C" not null,
      endpoint_id text collate "C" not null,
      url text not null check (url <> ''),
      description text not null,
      -- Full names; empty for all.
      event_types text[] not null,
      state text not null default 'ENABLED' check (state in ('ENABLED', 'DISABLED')),
      disable_reason text not null default '',
      -- Encrypted under the installation's secret.
      secret bytea not null,
      old_secret bytea,
      old_secret_expire_time timestamptz,
      failures integer not null default 0 check (failures >= 0),
      failing_since timestamptz,
      events_sent integer not null default 0 check (events_sent >= 0),
      create_time timestamptz not null,
      update_time timestamptz not null,
      primary key (tenant_id, endpoint_id),
      constraint disabled_for_a_reason check ((state = 'DISABLED') = (disable_reason <> '')),
      constraint old_secret_ends check ((old_secret is null) = (old_secret_expire_time is null))
    )`.execute(db);
  await sql`
    create table webhook_delivery (
      tenant_id text collate "C" not null,
      delivery_id text collate "C" not null,
      endpoint_id text collate "C" not null,
      event_id text collate "C" not null,
      event_type text not null,
      event_key text collate "C" not null,
      -- What is sent, to the letter; null once the order or the customer is erased.
      payload text,
      state text not null check (state in ('PENDING', 'DELIVERED', 'FAILED', 'WITHHELD')),
      attempts integer not null default 0 check (attempts >= 0),
      next_attempt_time timestamptz,
      claimed_until timestamptz,
      create_time timestamptz not null,
      primary key (tenant_id, delivery_id),
      foreign key (tenant_id, endpoint_id) references webhook_endpoint on delete cascade,
      constraint pending_has_something_to_send check (state <> 'PENDING' or (payload is not null and next_attempt_time is not null))
    )`.execute(db);
  // An event is told to an endpoint by one delivery, whatever the number of times that it is heard.
  await sql`create unique index webhook_delivery_once on webhook_delivery (endpoint_id, event_id, tenant_id)`.execute(db);
  await sql`
    create index webhook_delivery_pending on webhook_delivery (endpoint_id, next_attempt_time, tenant_id)
    where state = 'PENDING'`.execute(db);
  await sql`create index webhook_delivery_listed on webhook_delivery (endpoint_id, delivery_id, tenant_id)`.execute(db);
  await sql`create index webhook_delivery_by_key on webhook_delivery (event_key, tenant_id) where payload is not null`.execute(
    db,
  );
  await sql`create index webhook_delivery_by_time on webhook_delivery (create_time)`.execute(db);
  await sql`
    create table webhook_attempt (
      tenant_id text collate "C" not null,
      delivery_id text collate "C" not null,
      attempt_time timestamptz not null,
      duration_ms integer not null,
      status_code integer not null,
      error text not null,
      response_start text not null,
      primary key (tenant_id, delivery_id, attempt_time),
      foreign key (tenant_id, delivery_id) references webhook_delivery on delete cascade
    )`.execute(db);
  await isolateTenants(db, tables);
}

export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, tables);
  await sql`drop table webhook_attempt, webhook_delivery, webhook_endpoint`.execute(db);
}

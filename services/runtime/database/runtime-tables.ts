// The tables that every service's schema has for the runtime, as its first migration.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // Partitioned by day: old days are dropped whole, because deleting rows one by one leaves dead tuples behind
  // that slow the reader down.
  await sql`
    create table outbox (
      id bigint generated always as identity,
      xid xid8 not null default pg_current_xact_id(),
      event_id text not null,
      type_name text not null,
      tenant_id text not null,
      key text not null,
      sequence bigint not null,
      event_time timestamptz not null,
      cause_id text not null,
      traceparent text not null,
      payload bytea not null,
      write_time timestamptz not null default now()
    ) partition by range (write_time)`.execute(db);
  await sql`create index outbox_by_commit on outbox (xid, id)`.execute(db);
  await sql`create table outbox_default partition of outbox default`.execute(db);

  await sql`
    create table inbox (
      event_id text not null,
      event_time timestamptz not null,
      stream_sequence bigint not null,
      handle_time timestamptz not null default now(),
      primary key (event_id, event_time)
    ) partition by range (event_time)`.execute(db);
  await sql`create table inbox_default partition of inbox default`.execute(db);

  // How far the relay has published, in commit order.
  await sql`
    create table relay_cursor (
      single boolean primary key default true check (single),
      xid xid8 not null,
      id bigint not null
    )`.execute(db);
  await sql`insert into relay_cursor (xid, id) values ('0', 0)`.execute(db);

  // Who may work on what. The epoch grows with every new holder and fences the old one out.
  await sql`
    create table lease (
      name text primary key,
      holder text not null,
      epoch bigint not null,
      expire_time timestamptz not null
    ) with (fillfactor = 50)`.execute(db);

  // Events that could not be handled, and the later events of their keys that wait behind them.
  await sql`
    create table parked_event (
      event_id text primary key,
      tenant_id text not null,
      key text not null,
      partition integer not null,
      stream_sequence bigint not null,
      code text not null,
      message text not null,
      attempts integer not null,
      park_time timestamptz not null default now()
    )`.execute(db);
  await sql`create index parked_event_by_key on parked_event (tenant_id, key, stream_sequence)`.execute(db);

  await sql`
    create table due_work (
      id text primary key,
      kind text not null,
      tenant_id text not null,
      key text not null,
      due_time timestamptz not null,
      attempt integer not null default 0,
      claimed_until timestamptz,
      cause_id text not null,
      traceparent text not null,
      unique (kind, tenant_id, key)
    )`.execute(db);
  await sql`create index due_work_by_time on due_work (due_time)`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table due_work, parked_event, lease, relay_cursor, inbox, outbox`.execute(db);
}

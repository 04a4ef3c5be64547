// The auditor's findings, how far each of its walks has come, and what the stream holds of each key.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // Gone when it is cleared: events tell its story.
  await sql`
    create table audit_finding (
      check_name text not null,
      tenant_id text not null,
      key text not null,
      violation_id text not null unique,
      state text not null check (state in ('suspect', 'violation')),
      is_announced boolean not null default false,
      message text not null,
      figures jsonb not null,
      cause_id text not null,
      traceparent text not null,
      -- How far the stream had come then: events up to there may have been under way.
      first_seen_sequence bigint not null,
      first_seen_time timestamptz not null,
      last_seen_time timestamptz not null,
      primary key (check_name, tenant_id, key),
      check (not is_announced or state = 'violation')
    )`.execute(db);
  await sql`create index audit_finding_by_age on audit_finding (state, first_seen_time)`.execute(db);

  await sql`
    create table audit_check (
      check_name text primary key,
      rows_checked bigint not null default 0,
      last_run_time timestamptz,
      last_complete_time timestamptz,
      -- When the pass began that was last complete.
      complete_pass_time timestamptz,
      problem text not null default ''
    )`.execute(db);

  // A walk goes through its rows and begins again.
  await sql`
    create table audit_walk (
      walk text primary key,
      page_token text not null default '',
      pass_time timestamptz not null,
      -- Checks that could not be made somewhere in this pass: it proves nothing for them.
      failed_checks text[] not null default '{}'
    )`.execute(db);

  // One row: who asks for a whole pass now.
  await sql`create table audit_request (only_row boolean primary key default true check (only_row), request_time timestamptz)`.execute(
    db,
  );
  await sql`insert into audit_request default values`.execute(db);

  // The numbers of its events that a key has in the stream. Without a gap that is one range from 1.
  await sql`
    create table stream_key (
      service text not null,
      tenant_id text not null,
      key text not null,
      seen int8multirange not null check (not isempty(seen)),
      gap_time timestamptz,
      last_event_time timestamptz not null,
      last_stream_sequence bigint not null,
      primary key (service, tenant_id, key)
    ) with (fillfactor = 80)`.execute(db);
  await sql`create index stream_key_gaps on stream_key (service, tenant_id, key) where gap_time is not null`.execute(db);
  await sql`create index stream_key_by_age on stream_key using brin (last_event_time)`.execute(db);

  await sql`
    create table stream_reader (
      stream text primary key,
      -- Another time means another stream of the same name.
      stream_created text not null,
      stream_sequence bigint not null,
      -- Orders that are older may have had events that this reader never could see.
      covers_since timestamptz not null,
      -- When everything there was had been read.
      caught_up_time timestamptz
    )`.execute(db);

  // One row a finding, so that what fails again and again fills nothing.
  await sql`
    create table sweep_action (
      violation_id text primary key,
      action text not null check (action in ('RELEASE_HOLD', 'UNDO_PAYMENT', 'RESUME_ORDER', 'RESUME_SHIPMENT')),
      order_id text not null,
      reason text not null,
      problem text not null,
      attempts integer not null check (attempts >= 1),
      action_time timestamptz not null,
      next_time timestamptz not null
    )`.execute(db);
  await sql`create index sweep_action_by_time on sweep_action (action_time desc, violation_id desc)`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`
    drop table sweep_action, stream_reader, stream_key, audit_request, audit_walk, audit_check, audit_finding`.execute(db);
}

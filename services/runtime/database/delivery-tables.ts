// What the runtime keeps about deliveries that go wrong: events that cannot be published, events that kill the process,
// and how far the stream had come, so that a stream that has lost its end is noticed.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // The last message of ours that the stream has acknowledged: its place, and whose it must be.
  await sql`
    alter table relay_cursor
      add column stream_sequence bigint not null default 0,
      add column stream_event_id text not null default ''`.execute(db);
  // Earlier places, to go back to where the stream has lost what came after them.
  await sql`
    create table relay_checkpoint (
      stream_sequence bigint primary key,
      stream_event_id text not null,
      xid xid8 not null,
      id bigint not null,
      publish_time timestamptz not null default now()
    )`.execute(db);

  // Rows come in the order of this time, so that a few pages tell where a time begins.
  await sql`create index outbox_by_write_time on outbox using brin (write_time)`.execute(db);

  // Makes the epoch part of a key: who holds the row with "for key share" keeps it from being taken over, not from being
  // renewed.
  await sql`create unique index lease_epoch on lease (name, epoch)`.execute(db);

  // Events that NATS would never take, and the later ones of their keys. Emptied by people.
  await sql`
    create table unsent_event (
      event_id text primary key,
      outbox_id bigint not null,
      type_name text not null,
      tenant_id text not null,
      key text not null,
      sequence bigint not null,
      event_time timestamptz not null,
      cause_id text not null,
      traceparent text not null,
      payload bytea not null,
      code text not null,
      message text not null,
      retry boolean not null default false
    )`.execute(db);
  await sql`create index unsent_event_by_key on unsent_event (tenant_id, key, outbox_id)`.execute(db);

  // Events that were in hand when the process died, how often each was so alone.
  await sql`create table suspect_event (event_id text primary key, tries integer not null)`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop index outbox_by_write_time, lease_epoch`.execute(db);
  await sql`drop table suspect_event, unsent_event, relay_checkpoint`.execute(db);
  await sql`alter table relay_cursor drop column stream_sequence, drop column stream_event_id`.execute(db);
}

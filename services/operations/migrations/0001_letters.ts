// Dead letters, their history, and the redrives that people have asked for.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table dead_letter (
      letter_id text primary key,
      state text not null check (state in ('open', 'redriving', 'resolved', 'discarded')),
      service text not null,
      consumer text not null,
      stream text not null,
      stream_sequence bigint not null check (stream_sequence >= 0),
      -- The order among the letters of a consumer and key: the place in the stream, or in the outbox of an unsent event.
      position bigint not null,
      event_id text not null,
      event_time timestamptz not null,
      type_name text not null,
      tenant_id text not null,
      key text not null,
      subject text not null,
      headers jsonb not null,
      -- Null where the stream had dropped the message before it could be read.
      payload bytea,
      -- Null where no consumer could take the message again.
      redrive_subject text,
      code text not null,
      message text not null,
      -- False for messages that can never be handled: their keys go on without them.
      holds_key boolean not null,
      attempts integer not null check (attempts >= 0),
      failures integer not null check (failures >= 1),
      first_failure_time timestamptz not null,
      last_failure_time timestamptz not null,
      source text not null check (source in ('advisory', 'reconciler', 'relay')),
      close_time timestamptz check ((close_time is not null) = (state in ('resolved', 'discarded'))),
      -- What is still to be told to the consumer. A letter that was discarded is closed at once, and told afterwards.
      send_kind text check (send_kind in ('redrive', 'discard')),
      -- Counts what was asked to be sent; part of the message id, so that a repeat after a crash is known as one.
      send_number integer not null default 0,
      sent_time timestamptz,
      -- When to ask the consumer's service what became of it.
      send_after timestamptz,
      check_time timestamptz,
      checks integer not null default 0,
      -- Counters of the history and of the events about this letter.
      actions integer not null default 0,
      events_sent integer not null default 0,
      check ((state = 'redriving') = (send_kind is not distinct from 'redrive')),
      check (send_kind is distinct from 'discard' or state = 'discarded')
    )`.execute(db);
  await sql`create index dead_letter_by_time on dead_letter (last_failure_time desc, letter_id desc)`.execute(db);
  for (const column of ["state", "service", "consumer", "type_name", "code", "key"]) {
    const name = sql.ref(`dead_letter_by_${column}`);
    await sql`create index ${name} on dead_letter (${sql.ref(column)}, last_failure_time desc, letter_id desc)`.execute(db);
  }
  await sql`create index dead_letter_by_event on dead_letter (event_id) where event_id <> ''`.execute(db);
  await sql`create index dead_letter_by_first_failure on dead_letter (first_failure_time)`.execute(db);
  // Who waits behind whom: whatever is not over for its consumer.
  await sql`
    create index dead_letter_in_sequence on dead_letter (consumer, tenant_id, key, position)
    where state in ('open', 'redriving') or send_kind is not null`.execute(db);
  await sql`
    create index dead_letter_waiting on dead_letter (consumer, tenant_id, key, position)
    where state = 'open' and code in ('KEY_PARKED', 'REDRIVE_TOO_EARLY')`.execute(db);
  await sql`
    create index dead_letter_to_send on dead_letter (position) where send_kind is not null and sent_time is null`.execute(db);
  await sql`create index dead_letter_to_check on dead_letter (check_time) where check_time is not null`.execute(db);
  await sql`create index dead_letter_closed on dead_letter (close_time) where close_time is not null`.execute(db);

  // Every message that is known to have failed. With the event's id, because a stream that was made anew counts anew.
  await sql`
    create table letter_delivery (
      stream text not null,
      consumer text not null,
      stream_sequence bigint not null,
      event_id text not null,
      letter_id text not null references dead_letter on delete cascade,
      primary key (stream, consumer, stream_sequence, event_id)
    )`.execute(db);
  await sql`create index letter_delivery_by_letter on letter_delivery (letter_id)`.execute(db);

  await sql`
    create table letter_action (
      letter_id text not null references dead_letter on delete cascade,
      sequence integer not null check (sequence >= 1),
      action text not null
        check (action in ('CAPTURED', 'FAILED_AGAIN', 'REDRIVE_ASKED', 'REDRIVE_SENT', 'RESOLVED', 'DISCARDED')),
      actor text not null,
      reason text not null,
      redrive_id text not null default '',
      action_time timestamptz not null,
      primary key (letter_id, sequence)
    )`.execute(db);

  await sql`
    create table redrive (
      redrive_id text primary key,
      request_id text unique,
      actor text not null,
      reason text not null,
      create_time timestamptz not null,
      finish_time timestamptz
    )`.execute(db);
  await sql`create index redrive_running on redrive (redrive_id) where finish_time is null`.execute(db);
  await sql`
    create table redrive_letter (
      redrive_id text not null references redrive on delete cascade,
      letter_id text not null references dead_letter on delete cascade,
      outcome text not null check (outcome in ('waiting', 'sent', 'resolved', 'failed')),
      primary key (redrive_id, letter_id)
    )`.execute(db);
  await sql`
    create index redrive_letter_unfinished on redrive_letter (letter_id) where outcome in ('waiting', 'sent')`.execute(db);
  await sql`create index redrive_letter_by_letter on redrive_letter (letter_id)`.execute(db);

  // How far the reconciler has compared each consumer with its service's books.
  await sql`
    create table reconcile_cursor (
      consumer text primary key,
      -- Another time means another consumer of the same name, whose stream may count anew.
      consumer_created text not null,
      stream_sequence bigint not null
    )`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table reconcile_cursor, redrive_letter, redrive, letter_action, letter_delivery, dead_letter`.execute(db);
}

// What has not been told by mail yet, and the mail that is on its way.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // News is written in the transaction that opens its letter or violation. A mark on a time or a number would miss
  // what has a low one and is committed late; a row that is there has not been told.
  await sql`
    create table alert_news (
      id bigint generated always as identity primary key,
      kind text not null check (kind in ('letter', 'violation')),
      subject_id text not null,
      source text not null,
      type_name text not null,
      key text not null,
      code text not null,
      message text not null,
      happen_time timestamptz not null,
      write_time timestamptz not null,
      mail_id text
    )`.execute(db);
  await sql`create index alert_news_by_mail on alert_news (mail_id, kind, id)`.execute(db);

  // The mail as it was first tried: a repeat under the same id must have the same content.
  await sql`
    create table alert_mail (
      single boolean primary key default true check (single),
      mail_id text not null,
      subject text not null,
      text text not null,
      html text not null
    )`.execute(db);

  await sql`
    create table alert_mark (
      single boolean primary key default true check (single),
      last_sent_time timestamptz not null
    )`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table alert_mark, alert_mail, alert_news`.execute(db);
}

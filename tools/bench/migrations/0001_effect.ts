import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table effect (
      event_id text primary key,
      key text not null,
      label text not null,
      time timestamptz not null default clock_timestamp()
    )`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table effect`.execute(db);
}

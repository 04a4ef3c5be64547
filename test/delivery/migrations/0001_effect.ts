import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`create table effect (id bigint generated always as identity primary key, event_id text not null, key text not null, label text not null)`.execute(
    db,
  );
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table effect`.execute(db);
}

// In how many attempts an event was handled: so that its history can be told while the inbox keeps it.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // Of events from before it is not known; nearly all are handled at once.
  await sql`alter table inbox add column attempts smallint not null default 1 check (attempts >= 1)`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`alter table inbox drop column attempts`.execute(db);
}

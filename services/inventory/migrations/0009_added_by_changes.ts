// What a change has added to a hold is told in the history of its order.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`alter table reservation_change add column added jsonb not null default '[]'`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`alter table reservation_change drop column added`.execute(db);
}

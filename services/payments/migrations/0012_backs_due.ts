// What came back before its money was taken waits with the payment until it is.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`alter table payment add column backs_due jsonb not null default '[]'`.execute(db);
}

/** Forgets what still waits. */
export async function down(db: Kysely<never>): Promise<void> {
  await sql`alter table payment drop column backs_due`.execute(db);
}

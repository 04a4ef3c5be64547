// What a product looks like, as media tells it; null where there is nothing to be shown.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`alter table product add column image jsonb`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`alter table product drop column image`.execute(db);
}

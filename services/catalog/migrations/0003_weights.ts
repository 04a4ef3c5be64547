// What one unit weighs; 0 where that is not known.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`alter table variant add column weight_grams integer not null default 0 check (weight_grams >= 0)`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`alter table variant drop column weight_grams`.execute(db);
}

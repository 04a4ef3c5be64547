// Payments whose customer is erased: what people write about them is not kept.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`alter table payment add column erase_time timestamptz`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`alter table payment drop column erase_time`.execute(db);
}

// Where the thumbnail of a customer's image is.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`alter table customer add column thumbnail_image text not null default ''`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`alter table customer drop column thumbnail_image`.execute(db);
}

// Who has asked for a change itself is told where it is refused.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`alter table order_change add column is_asked_by_customer boolean not null default false`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`alter table order_change drop column is_asked_by_customer`.execute(db);
}

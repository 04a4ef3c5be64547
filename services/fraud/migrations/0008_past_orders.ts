// Other rules are tried on past orders in the order in which they were placed.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // Not by tenant first, as in 0002.
  await sql`create index assessment_by_place_time on assessment (place_time, tenant_id, order_id)`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop index assessment_by_place_time`.execute(db);
}

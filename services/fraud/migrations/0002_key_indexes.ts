// Only the key of a table begins with its tenant. An index that begins with it too looks as good for one row as the key
// does, as long as the table is new and nothing is known about it, and then reads every row of the tenant.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`drop index assessment_by_state, assessment_by_customer`.execute(db);
  await sql`create index assessment_by_state on assessment (state, tenant_id, order_id desc)`.execute(db);
  await sql`create index assessment_by_customer on assessment (customer_id, tenant_id, place_time)`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop index assessment_by_state, assessment_by_customer`.execute(db);
  await sql`create index assessment_by_state on assessment (tenant_id, state, order_id desc)`.execute(db);
  await sql`create index assessment_by_customer on assessment (tenant_id, customer_id, place_time)`.execute(db);
}

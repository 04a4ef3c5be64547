// Orders that were made cheaper after payment was asked for.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    alter table payment
      add column cost_minor_units bigint,
      add constraint cost_within_amount check (cost_minor_units > 0 and cost_minor_units <= amount_minor_units) not valid`.execute(
    db,
  );
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`alter table payment drop constraint cost_within_amount, drop column cost_minor_units`.execute(db);
}

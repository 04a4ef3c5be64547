// Something else instead of what comes back: an order of its own, and each knows of the other.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    alter table order_return
      -- What is wanted, how far that has come, the order, and why there is none.
      add column exchange jsonb,
      -- By what it is paid; kept only until the order is placed, or is not to be.
      add column exchange_token text not null default '',
      add constraint a_token_for_what_waits check (exchange_token = '' or exchange ->> 'state' = 'waiting') not valid`.execute(
    db,
  );
  await sql`alter table orders add column exchange_of_return_id text not null default ''`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`alter table orders drop column exchange_of_return_id`.execute(db);
  await sql`
    alter table order_return
      drop constraint a_token_for_what_waits, drop column exchange_token, drop column exchange`.execute(db);
}

// A request_id is its customer's: one that another has used before neither tells of that nor is in the way.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`drop index orders_by_request`.execute(db);
  await sql`
    create unique index orders_by_request on orders (request_id, tenant_id, customer_id) where request_id is not null`.execute(
    db,
  );
}

/** Fails where two customers have used the same one since. */
export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop index orders_by_request`.execute(db);
  await sql`create unique index orders_by_request on orders (request_id, tenant_id) where request_id is not null`.execute(db);
}

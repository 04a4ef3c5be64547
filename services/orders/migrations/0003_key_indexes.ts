// Only the key of a table begins with its tenant. An index that begins with it too looks as good for one row as the key
// does, as long as the table is new and nothing is known about it, and then reads every row of the tenant.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`drop index orders_by_request, orders_by_customer, orders_by_state`.execute(db);
  await sql`create unique index orders_by_request on orders (request_id, tenant_id) where request_id is not null`.execute(db);
  await sql`create index orders_by_customer on orders (customer_id, tenant_id, order_id)`.execute(db);
  await sql`create index orders_by_state on orders (state, tenant_id, order_id)`.execute(db);
  // A row changes with every report about its order; room in its page keeps most of that off the indexes.
  await sql`alter table orders set (fillfactor = 60)`.execute(db);
  await sql`alter table order_services set (fillfactor = 60)`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`alter table order_services reset (fillfactor)`.execute(db);
  await sql`alter table orders reset (fillfactor)`.execute(db);
  await sql`drop index orders_by_request, orders_by_customer, orders_by_state`.execute(db);
  await sql`create unique index orders_by_request on orders (tenant_id, request_id) where request_id is not null`.execute(db);
  await sql`create index orders_by_customer on orders (tenant_id, customer_id, order_id)`.execute(db);
  await sql`create index orders_by_state on orders (tenant_id, state, order_id)`.execute(db);
}

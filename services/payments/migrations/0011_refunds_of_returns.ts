// A refund knows for which return it is, so that the database refuses a second one.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`alter table refund add column return_id text collate "C"`.execute(db);
  // Both were written at one moment; of several that are alike it does not matter which is whose.
  await sql`
    with booked as (
      select tenant_id, return_id, order_id, create_time, amount_minor_units,
        row_number() over (partition by tenant_id, order_id, create_time, amount_minor_units order by return_id) as place
      from return_refund where amount_minor_units > 0
    ),
    given as (
      select tenant_id, refund_id, order_id, create_time, amount_minor_units,
        row_number() over (partition by tenant_id, order_id, create_time, amount_minor_units order by refund_id) as place
      from refund where (tenant_id, order_id) in (select tenant_id, order_id from booked)
    )
    update refund set return_id = booked.return_id
    from given join booked using (tenant_id, order_id, create_time, amount_minor_units, place)
    where refund.tenant_id = given.tenant_id and refund.refund_id = given.refund_id`.execute(db);
  await sql`create unique index refund_of_return_once on refund (return_id, tenant_id) where return_id is not null`.execute(db);
  await sql`create index return_refund_by_order on return_refund (order_id, tenant_id)`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop index return_refund_by_order, refund_of_return_once`.execute(db);
  await sql`alter table refund drop column return_id`.execute(db);
}

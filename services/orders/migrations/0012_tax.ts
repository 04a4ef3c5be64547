// Tax as it was when an order was placed: of each line, of the shipping cost, and the part that comes on top of both.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    alter table orders
      add column tax_added bigint not null default 0 check (tax_added >= 0),
      add column shipping_tax jsonb,
      drop constraint orders_check`.execute(db);
  // Of orders from before nothing was added, so none has to be looked at.
  await sql`
    alter table orders
      add constraint total_is_its_parts check (total = subtotal + shipping_cost + tax_added) not valid`.execute(db);
  await sql`alter table order_item add column tax jsonb`.execute(db);
}

/** Fails where an order has tax that comes on top. */
export async function down(db: Kysely<never>): Promise<void> {
  await sql`alter table order_item drop column tax`.execute(db);
  await sql`
    alter table orders
      drop constraint total_is_its_parts,
      add constraint orders_check check (total = subtotal + shipping_cost),
      drop column shipping_tax,
      drop column tax_added`.execute(db);
}

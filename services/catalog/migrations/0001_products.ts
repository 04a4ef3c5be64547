// Products, their variants, and what these cost.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // Ids sort by time, and in byte order: a page goes on where the last one ended.
  await sql`
    create table product (
      tenant_id text collate "C" not null,
      product_id text collate "C" not null,
      title text not null check (title <> ''),
      description text not null,
      create_time timestamptz not null,
      primary key (tenant_id, product_id)
    )`.execute(db);
  await sql`
    create table variant (
      tenant_id text collate "C" not null,
      sku text collate "C" not null,
      product_id text collate "C" not null,
      position integer not null check (position >= 0),
      title text not null,
      primary key (tenant_id, sku),
      foreign key (tenant_id, product_id) references product,
      unique (tenant_id, product_id, position)
    )`.execute(db);
  await sql`
    create table price (
      tenant_id text collate "C" not null,
      sku text collate "C" not null,
      currency_code text collate "C" not null check (currency_code ~ '^[A-Z]{3}$'),
      minor_units bigint not null constraint price_above_zero check (minor_units > 0),
      primary key (tenant_id, sku, currency_code),
      foreign key (tenant_id, sku) references variant
    )`.execute(db);
  // The product that a request made, and what was asked for. Checked at the end of the transaction, because the request
  // is claimed before its product is made.
  await sql`
    create table create_request (
      tenant_id text collate "C" not null,
      request_id text collate "C" not null,
      content_hash bytea not null,
      product_id text collate "C" not null,
      primary key (tenant_id, request_id),
      foreign key (tenant_id, product_id) references product deferrable initially deferred
    )`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table create_request, price, variant, product`.execute(db);
}

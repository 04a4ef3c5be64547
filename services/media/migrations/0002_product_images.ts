// Images of products: which one is a product's now, and in which sizes it is there.
import { sql, type Kysely } from "kysely";
import { isolateTenants, releaseTables } from "#runtime/database/tenant-policy.ts";

const tables = ["product_image"];

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table product_image (
      tenant_id text collate "C" not null,
      product_id text collate "C" not null,
      content_hash text collate "C" not null check (content_hash ~ '^[0-9a-f]{64}$'),
      width integer not null check (width > 0),
      height integer not null check (height > 0),
      bytes bigint not null check (bytes > 0),
      -- Pixels of the longer side, smallest first; none until all of them are made.
      sizes integer[] not null default '{}',
      events_sent integer not null check (events_sent > 0),
      upload_time timestamptz not null,
      primary key (tenant_id, product_id)
    )`.execute(db);
  await isolateTenants(db, tables);
}

export async function down(db: Kysely<never>): Promise<void> {
  await releaseTables(db, tables);
  await sql`drop table product_image`.execute(db);
}

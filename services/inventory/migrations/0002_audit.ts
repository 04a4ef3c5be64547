// What an audit looks for has indexes, and a hold that was given back by hand says why.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // Live holds are few beside all that ever were.
  await sql`create index reservation_live on reservation (tenant_id, order_id) where state in ('HELD', 'FIRM')`.execute(db);
  // Lines are written once and never change, so this index is only ever added to.
  await sql`create index reservation_line_by_sku on reservation_line (tenant_id, sku, order_id)`.execute(db);
  await sql`
    create table withdrawal (
      tenant_id text collate "C" not null,
      order_id text collate "C" not null,
      reason text not null,
      request_id text not null,
      create_time timestamptz not null,
      primary key (tenant_id, order_id),
      foreign key (tenant_id, order_id) references reservation
    )`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table withdrawal`.execute(db);
  await sql`drop index reservation_line_by_sku, reservation_live`.execute(db);
}

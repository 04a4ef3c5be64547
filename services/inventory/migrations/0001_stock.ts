// Stock, its movements, and what is held for orders.
import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  // Updated often and never in an indexed column: room in the page keeps the updates off the index.
  await sql`
    create table stock (
      tenant_id text collate "C" not null,
      sku text collate "C" not null,
      on_hand bigint not null,
      reserved bigint not null default 0,
      low_stock_threshold bigint not null default 5,
      sequence bigint not null default 0,
      update_time timestamptz not null,
      primary key (tenant_id, sku),
      constraint stock_never_oversold check (0 <= reserved and reserved <= on_hand),
      constraint stock_threshold check (low_stock_threshold >= 0)
    ) with (fillfactor = 70)`.execute(db);

  await sql`
    create table stock_movement (
      tenant_id text collate "C" not null,
      movement_id text collate "C" not null,
      sku text collate "C" not null,
      type text not null check (type in ('INITIAL', 'ADJUSTMENT', 'SHIPMENT')),
      quantity bigint not null check (quantity <> 0),
      reason text not null,
      order_id text collate "C",
      create_time timestamptz not null,
      primary key (tenant_id, movement_id),
      foreign key (tenant_id, sku) references stock,
      constraint stock_movement_initial check (type <> 'INITIAL' or quantity > 0),
      constraint stock_movement_shipment check (
        (type = 'SHIPMENT') = (order_id is not null) and (type <> 'SHIPMENT' or quantity < 0)
      )
    )`.execute(db);
  await sql`create index stock_movement_by_sku on stock_movement (tenant_id, sku, movement_id)`.execute(db);
  await sql`create unique index stock_movement_initial_once on stock_movement (tenant_id, sku) where type = 'INITIAL'`.execute(
    db,
  );
  await sql`
    create unique index stock_movement_shipped_once on stock_movement (tenant_id, order_id, sku) where type = 'SHIPMENT'`.execute(
    db,
  );

  // The books are only ever added to, also by hand.
  await sql`
    create function refuse_stock_movement_change() returns trigger language plpgsql as $$
    begin
      raise exception 'stock movements are never changed or deleted';
    end $$`.execute(db);
  await sql`
    create trigger stock_movement_append_only before update or delete on stock_movement
    for each statement execute function refuse_stock_movement_change()`.execute(db);

  await sql`
    create table reservation (
      tenant_id text collate "C" not null,
      order_id text collate "C" not null,
      state text not null check (state in ('HELD', 'FIRM', 'SHIPPED', 'RELEASED', 'REFUSED')),
      release_reason text check (release_reason in ('ORDER_CANCELLED', 'HOLD_EXPIRED')),
      expire_time timestamptz,
      sequence bigint not null check (sequence >= 0),
      create_time timestamptz not null,
      update_time timestamptz not null,
      primary key (tenant_id, order_id),
      constraint reservation_released check ((state = 'RELEASED') = (release_reason is not null)),
      constraint reservation_hold_ends check (state <> 'HELD' or expire_time is not null)
    ) with (fillfactor = 80)`.execute(db);
  await sql`
    create table reservation_line (
      tenant_id text collate "C" not null,
      order_id text collate "C" not null,
      sku text collate "C" not null,
      quantity bigint not null check (quantity > 0),
      primary key (tenant_id, order_id, sku),
      foreign key (tenant_id, order_id) references reservation
    )`.execute(db);

  // Who asked for a change by hand, and what was answered.
  await sql`
    create table adjust_request (
      tenant_id text collate "C" not null,
      request_id text collate "C" not null,
      content_hash bytea not null,
      movement_id text collate "C",
      on_hand bigint,
      reserved bigint,
      low_stock_threshold bigint,
      update_time timestamptz,
      primary key (tenant_id, request_id)
    )`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table adjust_request, reservation_line, reservation, stock_movement, stock`.execute(db);
  await sql`drop function refuse_stock_movement_change`.execute(db);
}

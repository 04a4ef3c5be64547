import { sql, type Kysely } from "kysely";

export async function up(db: Kysely<never>): Promise<void> {
  await sql`
    create table orders (
      tenant_id text not null,
      order_id text not null,
      customer_id text not null,
      state text not null check (state in ('pending', 'pending_shipment', 'shipped', 'delivered', 'cancelled')),
      currency_code text not null,
      subtotal bigint not null check (subtotal >= 0),
      shipping_cost bigint not null check (shipping_cost >= 0),
      total bigint not null check (total = subtotal + shipping_cost),
      shipping_method text not null check (shipping_method in ('STANDARD', 'EXPRESS')),
      shipping_address jsonb,
      payment_token text not null,
      payment_asked boolean not null default false,
      tracking_number text not null default '',
      cancel_reason text not null default '' check ((cancel_reason <> '') = (state = 'cancelled')),
      cancel_detail text not null default '',
      request_id text,
      request_hash bytea,
      -- Counts the events that were sent about the order; the first is OrderCreated.
      events_sent integer not null default 1 check (events_sent >= 1),
      version integer not null default 1,
      expire_time timestamptz not null,
      create_time timestamptz not null,
      update_time timestamptz not null,
      primary key (tenant_id, order_id)
    )`.execute(db);
  // The claim on a request_id and the order are one row, so that they cannot disagree. It is kept as long as the order.
  await sql`create unique index orders_by_request on orders (tenant_id, request_id) where request_id is not null`.execute(db);
  await sql`create index orders_by_customer on orders (tenant_id, customer_id, order_id)`.execute(db);
  await sql`create index orders_by_state on orders (tenant_id, state, order_id)`.execute(db);

  await sql`
    create table order_item (
      tenant_id text not null,
      order_id text not null,
      position integer not null,
      sku text not null,
      title text not null,
      quantity bigint not null check (quantity > 0),
      unit_price bigint not null check (unit_price >= 0),
      primary key (tenant_id, order_id, position),
      foreign key (tenant_id, order_id) references orders
    )`.execute(db);

  // What each service has reported, and how far into its events about the order.
  await sql`
    create table order_services (
      tenant_id text not null,
      order_id text not null,
      inventory_status text not null default 'pending' check (inventory_status in ('pending', 'reserved', 'insufficient', 'released')),
      fraud_status text not null default 'pending' check (fraud_status in ('pending', 'review', 'cleared', 'rejected')),
      payment_status text not null default 'pending'
        check (payment_status in ('pending', 'declined', 'authorized', 'captured', 'voided', 'refunded')),
      shipment_status text not null default 'pending'
        check (shipment_status in ('pending', 'created', 'dispatched', 'delivered', 'stopped')),
      inventory_heard bigint not null default 0,
      fraud_heard bigint not null default 0,
      payment_heard bigint not null default 0,
      shipment_heard bigint not null default 0,
      expires_at timestamptz not null,
      create_time timestamptz not null,
      update_time timestamptz not null,
      primary key (tenant_id, order_id),
      foreign key (tenant_id, order_id) references orders
    )`.execute(db);

  await sql`
    create table order_timeline (
      tenant_id text not null,
      order_id text not null,
      sequence integer not null check (sequence >= 1),
      state text not null,
      reason text not null default '',
      time timestamptz not null,
      primary key (tenant_id, order_id, sequence),
      foreign key (tenant_id, order_id) references orders
    )`.execute(db);
}

export async function down(db: Kysely<never>): Promise<void> {
  await sql`drop table order_timeline, order_services, order_item, orders`.execute(db);
}

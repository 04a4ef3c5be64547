// Writes many new orders at once: one statement a table, whatever their number.
import { sql, type Transaction } from "kysely";
import type { PricedItem } from "../domain/place.ts";
import type { AddressRow, OrdersTables, ShippingMethodName } from "./tables.ts";

export interface NewOrder {
  tenant: string;
  orderId: string;
  customerId: string;
  currencyCode: string;
  items: PricedItem[];
  subtotal: number;
  shippingCost: number;
  total: number;
  shippingMethod: ShippingMethodName;
  shippingAddress: AddressRow | undefined;
  paymentToken: string;
  /** Empty where the caller gave none. */
  requestId: string;
  requestHash: Buffer;
  createTime: Date;
  expireTime: Date;
}

/** Inserts what is new and answers their order ids; an order whose request_id is already claimed is left out. */
export async function insertOrders(tx: Transaction<OrdersTables>, orders: readonly NewOrder[]): Promise<Set<string>> {
  const column = <Value>(pick: (order: NewOrder) => Value): Value[] => orders.map(pick);
  const inserted = await sql<{ order_id: string }>`
    insert into orders (tenant_id, order_id, customer_id, state, currency_code, subtotal, shipping_cost, total, shipping_method,
      shipping_address, payment_token, request_id, request_hash, expire_time, create_time, update_time)
    select tenant_id, order_id, customer_id, 'pending', currency_code, subtotal, shipping_cost, total, shipping_method,
      shipping_address::jsonb, payment_token, nullif(request_id, ''), request_hash, expire_time, create_time, create_time
    from unnest(
      ${column((order) => order.tenant)}::text[],
      ${column((order) => order.orderId)}::text[],
      ${column((order) => order.customerId)}::text[],
      ${column((order) => order.currencyCode)}::text[],
      ${column((order) => order.subtotal)}::bigint[],
      ${column((order) => order.shippingCost)}::bigint[],
      ${column((order) => order.total)}::bigint[],
      ${column((order) => order.shippingMethod)}::text[],
      ${column((order) => (order.shippingAddress ? JSON.stringify(order.shippingAddress) : null))}::text[],
      ${column((order) => order.paymentToken)}::text[],
      ${column((order) => order.requestId)}::text[],
      ${column((order) => order.requestHash)}::bytea[],
      ${column((order) => order.expireTime)}::timestamptz[],
      ${column((order) => order.createTime)}::timestamptz[]
    ) as new (tenant_id, order_id, customer_id, currency_code, subtotal, shipping_cost, total, shipping_method,
      shipping_address, payment_token, request_id, request_hash, expire_time, create_time)
    order by tenant_id, request_id
    on conflict (tenant_id, request_id) where request_id is not null do nothing
    returning order_id`.execute(tx);
  const ids = new Set(inserted.rows.map((row) => row.order_id));
  const fresh = orders.filter((order) => ids.has(order.orderId));
  if (fresh.length > 0) await insertParts(tx, fresh);
  return ids;
}

async function insertParts(tx: Transaction<OrdersTables>, orders: readonly NewOrder[]): Promise<void> {
  const lines = orders.flatMap((order) => order.items.map((item, position) => ({ ...item, order, position })));
  await sql`
    insert into order_item (tenant_id, order_id, position, sku, title, quantity, unit_price)
    select * from unnest(
      ${lines.map((line) => line.order.tenant)}::text[],
      ${lines.map((line) => line.order.orderId)}::text[],
      ${lines.map((line) => line.position)}::integer[],
      ${lines.map((line) => line.sku)}::text[],
      ${lines.map((line) => line.title)}::text[],
      ${lines.map((line) => line.quantity)}::bigint[],
      ${lines.map((line) => line.unitPrice)}::bigint[]
    )`.execute(tx);
  const tenants = orders.map((order) => order.tenant);
  const orderIds = orders.map((order) => order.orderId);
  const createTimes = orders.map((order) => order.createTime);
  await sql`
    insert into order_services (tenant_id, order_id, expires_at, create_time, update_time)
    select tenant_id, order_id, expires_at, create_time, create_time
    from unnest(
      ${tenants}::text[], ${orderIds}::text[], ${orders.map((order) => order.expireTime)}::timestamptz[], ${createTimes}::timestamptz[]
    ) as new (tenant_id, order_id, expires_at, create_time)`.execute(tx);
  await sql`
    insert into order_timeline (tenant_id, order_id, sequence, state, time)
    select tenant_id, order_id, 1, 'pending', time
    from unnest(${tenants}::text[], ${orderIds}::text[], ${createTimes}::timestamptz[]) as new (tenant_id, order_id, time)`.execute(
    tx,
  );
}

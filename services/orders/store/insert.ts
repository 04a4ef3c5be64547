// Writes many new orders at once: one statement a table, whatever their number.
import { sql, type RawBuilder, type Transaction } from "kysely";
import { writeLate } from "#runtime/database/late-writes.ts";
import { isTaken } from "#runtime/errors.ts";
import type { PricedItem } from "../domain/place.ts";
import type { Tax } from "../domain/tax.ts";
import type { OrderRow } from "./read.ts";
import type { AddressRow, OrdersTables, PriorityName, Screening, ShippingMethodName } from "./tables.ts";

export interface NewOrder {
  tenant: string;
  orderId: string;
  customerId: string;
  currencyCode: string;
  items: PricedItem[];
  subtotal: number;
  shippingCost: number;
  shippingTax: Tax | undefined;
  taxAdded: number;
  total: number;
  shippingMethod: ShippingMethodName;
  shippingAddress: AddressRow | undefined;
  paymentToken: string;
  /** Empty where the caller gave none. */
  requestId: string;
  requestHash: Buffer;
  createTime: Date;
  /** Of one that is scheduled as if it was released at its time. */
  expireTime: Date;
  priority: PriorityName;
  /** Undefined where it begins now. */
  processAfter: Date | undefined;
  note: string;
  screening: Screening;
}

const firstStateOf = ({ processAfter }: NewOrder): "scheduled" | "pending" => (processAfter ? "scheduled" : "pending");

/** The row of an order that was just inserted, as a read would answer it. */
export function placedRow(order: NewOrder): OrderRow {
  return {
    tenant_id: order.tenant,
    order_id: order.orderId,
    customer_id: order.customerId,
    state: firstStateOf(order),
    currency_code: order.currencyCode,
    subtotal: order.subtotal,
    shipping_cost: order.shippingCost,
    shipping_tax: order.shippingTax ?? null,
    tax_added: order.taxAdded,
    total: order.total,
    shipping_method: order.shippingMethod,
    shipping_address: order.shippingAddress ?? null,
    payment_token: order.paymentToken,
    payment_asked: false,
    tracking_number: "",
    cancel_reason: "",
    cancel_detail: "",
    request_id: order.requestId === "" ? null : order.requestId,
    request_hash: order.requestHash,
    events_sent: order.processAfter ? 0 : 1,
    version: 1,
    expire_time: order.expireTime,
    create_time: order.createTime,
    update_time: order.createTime,
    erase_time: null,
    priority: order.priority,
    process_after: order.processAfter ?? null,
    note: order.note,
    screening: null,
    last_change_id: "",
    last_change_state: "",
    last_change_reason: "",
    asked_total: null,
    exchange_of_return_id: "",
    services: {
      inventory_status: "pending",
      fraud_status: "pending",
      payment_status: "pending",
      shipment_status: "pending",
      parcels: [],
    },
    items: order.items.map(({ sku, title, quantity, unitPrice, tax = null }) => ({
      sku,
      title,
      quantity,
      unit_price: unitPrice,
      tax,
    })),
    timeline: [{ sequence: 1, state: firstStateOf(order), reason: "", time: order.createTime }],
  };
}

/**
 * Inserts orders and their parts. The writes travel with the commit, which fails where a request_id is another order's of its customer
 * (isRequestClaimed).
 */
export async function insertOrders(tx: Transaction<OrdersTables>, orders: readonly NewOrder[]): Promise<void> {
  await writeLate(tx, orderRows(orders));
  await insertParts(tx, orders);
}

/** True where the commit of insertOrders failed because of a request_id, which is the one thing in it that may have come before. */
export const isRequestClaimed = (error: unknown): boolean => isTaken(error, "orders_by_request");

/** Inserts what is new, with its parts, and answers its order ids; an order whose request_id is another's is left out. */
export async function insertUnclaimed(tx: Transaction<OrdersTables>, orders: readonly NewOrder[]): Promise<Set<string>> {
  const inserted = await sql<{ order_id: string }>`
    ${orderRows(orders)}
    on conflict (tenant_id, customer_id, request_id) where request_id is not null do nothing
    returning order_id`.execute(tx);
  const orderIds = new Set(inserted.rows.map((row) => row.order_id));
  const fresh = orders.filter(({ orderId }) => orderIds.has(orderId));
  if (fresh.length > 0) await insertParts(tx, fresh);
  return orderIds;
}

/** In the order of that index, so that two who write many never wait for each other in a circle. */
function orderRows(orders: readonly NewOrder[]): RawBuilder<unknown> {
  const column = <Value>(pick: (order: NewOrder) => Value): Value[] => orders.map(pick);
  return sql`
    insert into orders (tenant_id, order_id, customer_id, state, currency_code, subtotal, shipping_cost, total, shipping_method,
      shipping_address, payment_token, request_id, request_hash, expire_time, create_time, update_time, priority, process_after, note,
      screening, shipping_tax, tax_added, events_sent)
    select tenant_id, order_id, customer_id, case when process_after is null then 'pending' else 'scheduled' end, currency_code, subtotal, shipping_cost, total, shipping_method,
      shipping_address::jsonb, payment_token, nullif(request_id, ''), request_hash, expire_time, create_time, create_time,
      priority, process_after, note, screening::jsonb, shipping_tax::jsonb, tax_added, case when process_after is null then 1 else 0 end
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
      ${column((order) => order.createTime)}::timestamptz[],
      ${column((order) => order.priority)}::text[],
      ${column((order) => order.processAfter ?? null)}::timestamptz[],
      ${column((order) => order.note)}::text[],
      ${column((order) => (order.processAfter ? JSON.stringify(order.screening) : null))}::text[],
      ${column(({ shippingTax }) => (shippingTax ? JSON.stringify(shippingTax) : null))}::text[],
      ${column((order) => order.taxAdded)}::bigint[]
    ) as new (tenant_id, order_id, customer_id, currency_code, subtotal, shipping_cost, total, shipping_method,
      shipping_address, payment_token, request_id, request_hash, expire_time, create_time, priority, process_after, note, screening,
      shipping_tax, tax_added)
    order by tenant_id, request_id, customer_id`;
}

/** What belongs to new orders: lines, services, and the first step of the timeline. */
async function insertParts(tx: Transaction<OrdersTables>, orders: readonly NewOrder[]): Promise<void> {
  await Promise.all([insertLines(tx, orders), insertServices(tx, orders), insertFirstStep(tx, orders)]);
}

async function insertLines(tx: Transaction<OrdersTables>, orders: readonly NewOrder[]): Promise<void> {
  const lines = orders.flatMap((order) => order.items.map((item, position) => ({ ...item, order, position })));
  const insert = sql`
    insert into order_item (tenant_id, order_id, position, sku, title, quantity, unit_price, tax)
    select tenant_id, order_id, position, sku, title, quantity, unit_price, tax::jsonb from unnest(
      ${lines.map((line) => line.order.tenant)}::text[],
      ${lines.map((line) => line.order.orderId)}::text[],
      ${lines.map((line) => line.position)}::integer[],
      ${lines.map((line) => line.sku)}::text[],
      ${lines.map((line) => line.title)}::text[],
      ${lines.map((line) => line.quantity)}::bigint[],
      ${lines.map((line) => line.unitPrice)}::bigint[],
      ${lines.map(({ tax }) => (tax ? JSON.stringify(tax) : null))}::text[]
    ) as new (tenant_id, order_id, position, sku, title, quantity, unit_price, tax)`;
  await writeLate(tx, insert);
}

async function insertServices(tx: Transaction<OrdersTables>, orders: readonly NewOrder[]): Promise<void> {
  const insert = sql`
    insert into order_services (tenant_id, order_id, expires_at, create_time, update_time)
    select tenant_id, order_id, expires_at, create_time, create_time
    from unnest(
      ${orders.map((order) => order.tenant)}::text[],
      ${orders.map((order) => order.orderId)}::text[],
      ${orders.map((order) => order.expireTime)}::timestamptz[],
      ${orders.map((order) => order.createTime)}::timestamptz[]
    ) as new (tenant_id, order_id, expires_at, create_time)`;
  await writeLate(tx, insert);
}

async function insertFirstStep(tx: Transaction<OrdersTables>, orders: readonly NewOrder[]): Promise<void> {
  const insert = sql`
    insert into order_timeline (tenant_id, order_id, sequence, state, time)
    select tenant_id, order_id, 1, state, time
    from unnest(
      ${orders.map((order) => order.tenant)}::text[],
      ${orders.map((order) => order.orderId)}::text[],
      ${orders.map(firstStateOf)}::text[],
      ${orders.map((order) => order.createTime)}::timestamptz[]
    ) as new (tenant_id, order_id, state, time)`;
  await writeLate(tx, insert);
}

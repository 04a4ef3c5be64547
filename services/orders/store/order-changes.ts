// Changes of orders, and what they write into them.
import { sql, type Kysely, type Transaction } from "kysely";
import type { Content, Item } from "../domain/change.ts";
import type { ChangeState } from "../domain/change-saga.ts";
import type { OrderKey } from "./progress.ts";
import type { OrderRow } from "./read.ts";
import type { AddressRow, OrdersTables, ShippingMethodName } from "./tables.ts";

export type OrderContent = Content<AddressRow, ShippingMethodName>;

export interface ChangeRow extends OrderKey {
  changeId: string;
  state: ChangeState;
  reason: string;
  detail: string;
  before: OrderContent;
  after: OrderContent;
  words: string;
  requestId: string;
  /** False where somebody asked in its place. */
  isAskedByCustomer: boolean;
  /** Null once its customer is erased. */
  requestHash: Buffer | null;
  createTime: Date;
  endTime: Date | null;
}

const columns = sql`
  tenant_id as tenant, order_id as "orderId", change_id as "changeId", state, reason, detail, before, after, words,
  request_id as "requestId", request_hash as "requestHash", is_asked_by_customer as "isAskedByCustomer", create_time as "createTime", end_time as "endTime"`;

/** What of an order can be changed, as it is. */
export function contentOf(row: OrderRow): OrderContent {
  return {
    items: row.items.map(({ sku, title, quantity, unit_price: unitPrice, tax }) => ({ sku, title, quantity, unitPrice, tax })),
    subtotal: row.subtotal,
    shippingCost: row.shipping_cost,
    shippingTax: row.shipping_tax,
    taxAdded: row.tax_added,
    total: row.total,
    shippingMethod: row.shipping_method,
    shippingAddress: row.shipping_address,
  };
}

/** An order with other contents, as it was when it had them. */
export function withContent(row: OrderRow, content: OrderContent): OrderRow {
  return {
    ...row,
    items: content.items.map(({ sku, title, quantity, unitPrice, tax = null }) => ({
      sku,
      title,
      quantity,
      unit_price: unitPrice,
      tax,
    })),
    subtotal: content.subtotal,
    shipping_cost: content.shippingCost,
    shipping_tax: content.shippingTax,
    tax_added: content.taxAdded,
    total: content.total,
    shipping_method: content.shippingMethod,
    shipping_address: content.shippingAddress,
  };
}

/** All changes of orders, oldest first. */
export async function readChanges(db: Kysely<OrdersTables>, tenant: string, orderIds: readonly string[]): Promise<ChangeRow[]> {
  if (orderIds.length === 0) return [];
  const read = await sql<ChangeRow>`
    select ${columns} from order_change where tenant_id = ${tenant} and order_id = any(${[...orderIds]}::text[])
    order by order_id, change_id`.execute(db);
  return read.rows;
}

export async function readChangeOfRequest(
  db: Kysely<OrdersTables>,
  { tenant, orderId, requestId }: OrderKey & { requestId: string },
): Promise<ChangeRow | undefined> {
  const read = await sql<ChangeRow>`
    select ${columns} from order_change
    where tenant_id = ${tenant} and order_id = ${orderId} and request_id = ${requestId}`.execute(db);
  return read.rows[0];
}

/** The changes that are under way, by order; their orders are locked. */
export async function readUnderWay(db: Kysely<OrdersTables>, orders: readonly OrderKey[]): Promise<ChangeRow[]> {
  if (orders.length === 0) return [];
  const read = await sql<ChangeRow>`
    select ${columns} from order_change
    where state = 'requested' and (tenant_id, order_id) in (
      select * from unnest(${orders.map(({ tenant }) => tenant)}::text[], ${orders.map(({ orderId }) => orderId)}::text[])
    )`.execute(db);
  return read.rows;
}

/** What the decision about a change needs besides what is locked with an order anyway. */
export async function readAskedTotals(
  tx: Transaction<OrdersTables>,
  orders: readonly OrderKey[],
): Promise<Map<string, number | null>> {
  const read = await sql<{ orderId: string; askedTotal: number | null }>`
    select order_id as "orderId", asked_total as "askedTotal" from orders
    where (tenant_id, order_id) in (
      select * from unnest(${orders.map(({ tenant }) => tenant)}::text[], ${orders.map(({ orderId }) => orderId)}::text[])
    )`.execute(tx);
  return new Map(read.rows.map(({ orderId, askedTotal }) => [orderId, askedTotal]));
}

/** A new change of a locked order. */
export async function insertChange(tx: Transaction<OrdersTables>, change: ChangeRow): Promise<void> {
  await sql`
    insert into order_change (tenant_id, order_id, change_id, state, before, after, words, request_id, request_hash, is_asked_by_customer,
      create_time)
    values (${change.tenant}, ${change.orderId}, ${change.changeId}, ${change.state}, ${JSON.stringify(change.before)}::jsonb,
      ${JSON.stringify(change.after)}::jsonb, ${change.words}, ${change.requestId}, ${change.requestHash}, ${change.isAskedByCustomer},
      ${change.createTime})`.execute(tx);
  await noteStanding(tx, change);
}

/** The end of a change of a locked order. */
export async function endChange(
  tx: Transaction<OrdersTables>,
  change: Pick<ChangeRow, "tenant" | "orderId" | "changeId" | "state" | "reason" | "detail">,
  now: Date,
): Promise<void> {
  const { tenant, orderId, changeId, state, reason, detail } = change;
  await sql`
    update order_change set state = ${state}, reason = ${reason}, detail = ${detail}, end_time = ${now}
    where tenant_id = ${tenant} and order_id = ${orderId} and change_id = ${changeId} and state = 'requested'`.execute(tx);
  await noteStanding(tx, change);
}

async function noteStanding(
  tx: Transaction<OrdersTables>,
  { tenant, orderId, changeId, state, reason }: Pick<ChangeRow, "tenant" | "orderId" | "changeId" | "state" | "reason">,
): Promise<void> {
  await sql`
    update orders set last_change_id = ${changeId}, last_change_state = ${state}, last_change_reason = ${reason}
    where tenant_id = ${tenant} and order_id = ${orderId}`.execute(tx);
}

/** Writes other contents into a locked order. What others were told of is remembered where it cost more. */
export async function saveContent(
  tx: Transaction<OrdersTables>,
  { tenant, orderId }: OrderKey,
  { subtotal, shippingCost, shippingTax, taxAdded, total, shippingMethod, shippingAddress, items }: OrderContent,
): Promise<void> {
  await sql`
    update orders
    set asked_total = case when state = 'scheduled' then null else coalesce(asked_total, total) end,
      subtotal = ${subtotal}, shipping_cost = ${shippingCost}, shipping_tax = ${shippingTax && JSON.stringify(shippingTax)}::jsonb,
      tax_added = ${taxAdded}, total = ${total}, shipping_method = ${shippingMethod},
      shipping_address = ${shippingAddress && JSON.stringify(shippingAddress)}::jsonb
    where tenant_id = ${tenant} and order_id = ${orderId}`.execute(tx);
  await sql`delete from order_item where tenant_id = ${tenant} and order_id = ${orderId}`.execute(tx);
  await insertItems(tx, { tenant, orderId }, items);
}

async function insertItems(tx: Transaction<OrdersTables>, { tenant, orderId }: OrderKey, items: readonly Item[]): Promise<void> {
  await sql`
    insert into order_item (tenant_id, order_id, position, sku, title, quantity, unit_price, tax)
    select ${tenant}, ${orderId}, position, sku, title, quantity, unit_price, tax::jsonb from unnest(
      ${items.map((_, position) => position)}::integer[],
      ${items.map(({ sku }) => sku)}::text[],
      ${items.map(({ title }) => title)}::text[],
      ${items.map(({ quantity }) => quantity)}::bigint[],
      ${items.map(({ unitPrice }) => unitPrice)}::bigint[],
      ${items.map(({ tax }) => (tax ? JSON.stringify(tax) : null))}::text[]
    ) as new (position, sku, title, quantity, unit_price, tax)`.execute(tx);
}

/** Of erased orders: where they were to go, and somebody's words. */
export async function eraseChanges(tx: Transaction<OrdersTables>, orders: readonly OrderKey[]): Promise<void> {
  if (orders.length === 0) return;
  await sql`
    update order_change
    set before = before || '{"shippingAddress": null}', after = after || '{"shippingAddress": null}', words = '', request_hash = null
    where (tenant_id, order_id) in (
      select * from unnest(${orders.map(({ tenant }) => tenant)}::text[], ${orders.map(({ orderId }) => orderId)}::text[])
    )`.execute(tx);
}

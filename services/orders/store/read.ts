// Reads whole orders for those who ask.
import { sql, type Kysely, type RawBuilder, type Selectable } from "kysely";
import type { OrderState } from "../domain/order.ts";
import type { OrderStatuses } from "../domain/facts.ts";
import type { OrdersTables, PriorityName } from "./tables.ts";

export interface TimelineRow {
  sequence: number;
  state: OrderState;
  reason: string;
  time: Date;
}

export interface OrderRow extends Selectable<OrdersTables["orders"]> {
  services: Pick<
    Selectable<OrdersTables["order_services"]>,
    "inventory_status" | "fraud_status" | "payment_status" | "shipment_status" | "parcels"
  >;
  items: Pick<Selectable<OrdersTables["order_item"]>, "sku" | "title" | "quantity" | "unit_price" | "tax">[];
  timeline: TimelineRow[];
}

/** Parts come as JSON in the same row: one round trip for an order or a page of them. */
const wholeOrder = sql`
  orders.*,
  (
    select json_build_object('inventory_status', inventory_status, 'fraud_status', fraud_status, 'payment_status', payment_status,
      'shipment_status', shipment_status, 'parcels', parcels)
    from order_services part where part.tenant_id = orders.tenant_id and part.order_id = orders.order_id
  ) as services,
  (
    select json_agg(json_build_object('sku', sku, 'title', title, 'quantity', quantity, 'unit_price', unit_price, 'tax', tax)
      order by position)
    from order_item part where part.tenant_id = orders.tenant_id and part.order_id = orders.order_id
  ) as items,
  (
    select json_agg(json_build_object('sequence', sequence, 'state', part.state, 'reason', reason, 'time', time) order by sequence)
    from order_timeline part where part.tenant_id = orders.tenant_id and part.order_id = orders.order_id
  ) as timeline`;

type RawRow = Omit<OrderRow, "timeline"> & { timeline: (Omit<TimelineRow, "time"> & { time: string })[] };

const toRow = (row: RawRow): OrderRow => ({
  ...row,
  timeline: row.timeline.map((entry) => ({ ...entry, time: new Date(entry.time) })),
});

/** Orders that meet a condition. */
export async function readWhole(db: Kysely<OrdersTables>, condition: RawBuilder<unknown>): Promise<OrderRow[]> {
  const read = await sql<RawRow>`select ${wholeOrder} from orders where ${condition}`.execute(db);
  return read.rows.map(toRow);
}

export async function readOrder(
  db: Kysely<OrdersTables>,
  { tenant, orderId }: { tenant: string; orderId: string },
): Promise<OrderRow | undefined> {
  return (await readWhole(db, sql`orders.tenant_id = ${tenant} and orders.order_id = ${orderId}`))[0];
}

/** Where an order stands by what was reported. */
export async function readStatuses(
  db: Kysely<OrdersTables>,
  { tenant, orderId }: { tenant: string; orderId: string },
): Promise<OrderStatuses | undefined> {
  const read = await sql<OrderStatuses>`
    select state, inventory_status as inventory, fraud_status as fraud, payment_status as payment, shipment_status as shipment
    from orders join order_services using (tenant_id, order_id)
    where tenant_id = ${tenant} and order_id = ${orderId}`.execute(db);
  return read.rows[0];
}

/** The order that a request_id of the customer has led to, if any. */
export async function readOrderOfRequest(
  db: Kysely<OrdersTables>,
  { tenant, customerId, requestId }: { tenant: string; customerId: string; requestId: string },
): Promise<OrderRow | undefined> {
  const condition = sql`
    orders.tenant_id = ${tenant} and orders.customer_id = ${customerId} and orders.request_id = ${requestId}`;
  return (await readWhole(db, condition))[0];
}

/** A page of orders, newest first: ids sort by time of placement. */
export async function listOrders(
  db: Kysely<OrdersTables>,
  page: {
    tenant: string;
    customerId: string;
    state: OrderState | undefined;
    priority: PriorityName | undefined;
    before: string | undefined;
    rowsMax: number;
  },
): Promise<OrderRow[]> {
  const conditions = [
    sql`orders.tenant_id = ${page.tenant}`,
    ...(page.customerId === "" ? [] : [sql`orders.customer_id = ${page.customerId}`]),
    ...(page.state === undefined ? [] : [sql`orders.state = ${page.state}`]),
    // As a word and not as a value: those that are RUSH are few, and have an index of their own.
    ...(page.priority === undefined ? [] : [sql`orders.priority = ${sql.lit(page.priority)}`]),
    ...(page.before === undefined ? [] : [sql`orders.order_id < ${page.before}`]),
  ];
  const read = await sql<RawRow>`
    select ${wholeOrder} from orders where ${sql.join(conditions, sql` and `)}
    order by orders.order_id desc limit ${page.rowsMax}`.execute(db);
  return read.rows.map(toRow);
}

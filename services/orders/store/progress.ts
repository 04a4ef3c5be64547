// Loads the changing part of many orders under a lock, and saves it back.
import { sql, type Transaction } from "kysely";
import type { CancelReason, OrderProgress, TimelineEntry } from "../domain/order.ts";
import type { Tax } from "../domain/tax.ts";
import type { AddressRow, OrdersTables, PriorityName, Screening, ShippingMethodName } from "./tables.ts";

export interface OrderKey {
  tenant: string;
  orderId: string;
}

/** What deciding and announcing need of an order. */
export interface LockedOrder extends OrderKey {
  customerId: string;
  currencyCode: string;
  subtotal: number;
  shippingCost: number;
  /** Null where there is none. */
  shippingTax: Tax | null;
  taxAdded: number;
  total: number;
  priority: PriorityName;
  /** Null unless it is scheduled. */
  screening: Screening | null;
  createTime: Date;
  /** Null where it began at once. */
  processAfter: Date | null;
  paymentToken: string;
  shippingMethod: ShippingMethodName;
  shippingAddress: AddressRow | null;
  expireTime: Date;
  eventsSent: number;
  version: number;
  /** Steps of the timeline that are in the table. */
  stepsSaved: number;
  progress: OrderProgress;
}

export const keyOf = ({ tenant, orderId }: OrderKey): string => `${tenant}.${orderId}`;

interface ProgressRow
  extends Omit<OrderProgress, "heard" | "timeline" | "cancelReason">, Omit<LockedOrder, "progress" | "stepsSaved"> {
  inventoryHeard: number;
  fraudHeard: number;
  paymentHeard: number;
  shipmentHeard: number;
  cancelReason: CancelReason | "";
  timeline: (Omit<TimelineEntry, "time"> & { time: string })[];
}

/** Locks orders, in the order of their keys so that two batches cannot wait for each other. Unknown ones are left out. */
export async function lockOrders(tx: Transaction<OrdersTables>, keys: readonly OrderKey[]): Promise<Map<string, LockedOrder>> {
  const tenants = keys.map((key) => key.tenant);
  const orderIds = keys.map((key) => key.orderId);
  // A statement of its own: one that has waited for a lock sees the newest of what it locks, but all else as it was before
  // the wait. What another transaction has just written beside the order would be read stale, and written back. Both travel
  // together.
  const locking = sql`
    select 1 from orders
    where (tenant_id, order_id) in (select * from unnest(${tenants}::text[], ${orderIds}::text[]))
    order by tenant_id, order_id
    for update`.execute(tx);
  const reading = sql<ProgressRow>`
    select locked.tenant_id as tenant, locked.order_id as "orderId", customer_id as "customerId", currency_code as "currencyCode", subtotal,
      shipping_cost as "shippingCost", shipping_tax as "shippingTax", tax_added as "taxAdded", total, priority, screening, locked.create_time as "createTime",
      process_after as "processAfter",
      payment_token as "paymentToken", shipping_method as "shippingMethod", shipping_address as "shippingAddress",
      expire_time as "expireTime", events_sent as "eventsSent", version, locked.state as state, payment_asked as "paymentAsked",
      tracking_number as "trackingNumber", cancel_reason as "cancelReason", cancel_detail as "cancelDetail",
      inventory_status as inventory, fraud_status as fraud, payment_status as payment, shipment_status as shipment, parcels,
      inventory_heard as "inventoryHeard", fraud_heard as "fraudHeard", payment_heard as "paymentHeard",
      shipment_heard as "shipmentHeard",
      (
        select json_agg(json_build_object('sequence', sequence, 'state', step.state, 'reason', reason, 'time', time) order by sequence)
        from order_timeline step where step.tenant_id = locked.tenant_id and step.order_id = locked.order_id
      ) as timeline
    from orders locked join order_services using (tenant_id, order_id)
    where (locked.tenant_id, locked.order_id) in (select * from unnest(${tenants}::text[], ${orderIds}::text[]))`.execute(tx);
  const [, locked] = await Promise.all([locking, reading]);
  return new Map(locked.rows.map((row) => [keyOf(row), toLockedOrder(row)]));
}

function toLockedOrder(row: ProgressRow): LockedOrder {
  const { inventoryHeard, fraudHeard, paymentHeard, shipmentHeard, timeline, ...rest } = row;
  const {
    state,
    inventory,
    fraud,
    payment,
    shipment,
    paymentAsked,
    trackingNumber,
    parcels,
    cancelReason,
    cancelDetail,
    ...order
  } = rest;
  const heard = { inventory: inventoryHeard, fraud: fraudHeard, payments: paymentHeard, shipping: shipmentHeard };
  const steps = timeline.map((entry) => ({ ...entry, time: new Date(entry.time) }));
  const statuses = { inventory, fraud, payment, shipment };
  return {
    ...order,
    stepsSaved: steps.length,
    progress: { state, ...statuses, heard, paymentAsked, trackingNumber, parcels, cancelReason, cancelDetail, timeline: steps },
  };
}

/** Saves orders that are locked by this transaction. */
export async function saveOrders(tx: Transaction<OrdersTables>, orders: readonly LockedOrder[], now: Date): Promise<void> {
  if (orders.length === 0) return;
  await Promise.all([saveStates(tx, orders, now), saveServices(tx, orders, now), saveTimelines(tx, orders)]);
}

const tenantsOf = (orders: readonly OrderKey[]): string[] => orders.map(({ tenant }) => tenant);
const orderIdsOf = (orders: readonly OrderKey[]): string[] => orders.map(({ orderId }) => orderId);

async function saveStates(tx: Transaction<OrdersTables>, orders: readonly LockedOrder[], now: Date): Promise<void> {
  const column = <Value>(pick: (order: LockedOrder) => Value): Value[] => orders.map(pick);
  const saved = await sql`
    update orders
    set state = new.state, payment_asked = new.payment_asked, tracking_number = new.tracking_number,
      cancel_reason = new.cancel_reason, cancel_detail = new.cancel_detail, events_sent = new.events_sent,
      expire_time = new.expire_time, screening = case when new.state = 'scheduled' then screening end,
      -- What was asked for is what it costs at that moment, whatever it has cost before.
      asked_total = case when new.payment_asked = orders.payment_asked then asked_total end,
      version = orders.version + 1, update_time = ${now}
    from unnest(
      ${tenantsOf(orders)}::text[],
      ${orderIdsOf(orders)}::text[],
      ${column((order) => order.version)}::integer[],
      ${column((order) => order.progress.state)}::text[],
      ${column((order) => order.progress.paymentAsked)}::boolean[],
      ${column((order) => order.progress.trackingNumber)}::text[],
      ${column((order) => order.progress.cancelReason)}::text[],
      ${column((order) => order.progress.cancelDetail)}::text[],
      ${column((order) => order.eventsSent)}::integer[],
      ${column((order) => order.expireTime)}::timestamptz[]
    ) as new (tenant_id, order_id, version, state, payment_asked, tracking_number, cancel_reason, cancel_detail, events_sent,
      expire_time)
    where orders.tenant_id = new.tenant_id and orders.order_id = new.order_id and orders.version = new.version`.execute(tx);
  if (saved.numAffectedRows !== BigInt(orders.length)) throw new Error("an order changed under its lock");
}

async function saveServices(tx: Transaction<OrdersTables>, orders: readonly LockedOrder[], now: Date): Promise<void> {
  const column = <Value>(pick: (order: LockedOrder) => Value): Value[] => orders.map(pick);
  await sql`
    update order_services
    set inventory_status = new.inventory, fraud_status = new.fraud, payment_status = new.payment, shipment_status = new.shipment,
      inventory_heard = new.inventory_heard, fraud_heard = new.fraud_heard, payment_heard = new.payment_heard,
      shipment_heard = new.shipment_heard, parcels = new.parcels, expires_at = new.expires_at, update_time = ${now}
    from unnest(
      ${tenantsOf(orders)}::text[],
      ${orderIdsOf(orders)}::text[],
      ${column((order) => order.progress.inventory)}::text[],
      ${column((order) => order.progress.fraud)}::text[],
      ${column((order) => order.progress.payment)}::text[],
      ${column((order) => order.progress.shipment)}::text[],
      ${column((order) => order.progress.heard.inventory)}::bigint[],
      ${column((order) => order.progress.heard.fraud)}::bigint[],
      ${column((order) => order.progress.heard.payments)}::bigint[],
      ${column((order) => order.progress.heard.shipping)}::bigint[],
      ${column((order) => JSON.stringify(order.progress.parcels))}::jsonb[],
      ${column((order) => order.expireTime)}::timestamptz[]
    ) as new (tenant_id, order_id, inventory, fraud, payment, shipment, inventory_heard, fraud_heard, payment_heard, shipment_heard,
      parcels, expires_at)
    where order_services.tenant_id = new.tenant_id and order_services.order_id = new.order_id`.execute(tx);
}

/** Adds the steps that are new; one step stands there already for every order, and most facts add none. */
async function saveTimelines(tx: Transaction<OrdersTables>, orders: readonly LockedOrder[]): Promise<void> {
  const steps = orders.flatMap((order) => order.progress.timeline.slice(order.stepsSaved).map((entry) => ({ ...entry, order })));
  if (steps.length === 0) return;
  await sql`
    insert into order_timeline (tenant_id, order_id, sequence, state, reason, time, xid)
    select new.*, greatest(pg_current_xact_id(), (
      -- This transaction may have begun before the one that it waited for, whose step comes before.
      select before.xid from order_timeline before
      where before.tenant_id = new.tenant_id and before.order_id = new.order_id
      order by before.sequence desc limit 1
    ))
    from unnest(
      ${steps.map((step) => step.order.tenant)}::text[],
      ${steps.map((step) => step.order.orderId)}::text[],
      ${steps.map((step) => step.sequence)}::integer[],
      ${steps.map((step) => step.state)}::text[],
      ${steps.map((step) => step.reason)}::text[],
      ${steps.map((step) => step.time)}::timestamptz[]
    ) as new (tenant_id, order_id, sequence, state, reason, time)
    on conflict do nothing`.execute(tx);
}

export interface Line {
  sku: string;
  quantity: number;
  /** Minor units. */
  unitPrice: number;
  /** Absent or null where there is none. */
  tax?: Tax | null;
}

/** The lines of orders, for what is announced about them. */
export async function readLines(tx: Transaction<OrdersTables>, keys: readonly OrderKey[]): Promise<Map<string, Line[]>> {
  if (keys.length === 0) return new Map();
  const read = await sql<OrderKey & Line>`
    select order_item.tenant_id as tenant, order_item.order_id as "orderId", sku, quantity, unit_price as "unitPrice", tax
    from order_item
    join unnest(${keys.map((key) => key.tenant)}::text[], ${keys.map((key) => key.orderId)}::text[]) as wanted (tenant_id, order_id)
      using (tenant_id, order_id)
    order by order_item.order_id, position`.execute(tx);
  return Map.groupBy(read.rows, keyOf);
}

// Orders as an audit reads them: one statement, and so one moment of all tables.
import { sql, type Kysely, type RawBuilder, type Transaction } from "kysely";
import type { AuditedOrder } from "../domain/audit.ts";
import type { Standing } from "../domain/waiting.ts";
import type { OrdersTables } from "./tables.ts";

export interface AuditRow extends AuditedOrder, Standing {
  currencyCode: string;
  createTime: Date;
  /** When its OrderCreated was written; null where none was. */
  releaseTime: Date | null;
  eventsSent: number;
  /** What it cost when payment was asked for; null where that is the total. */
  askedTotal: number | null;
  /** Units of all lines together. */
  units: number;
  /** When the change that is under way was asked for; null where none is. */
  changeTime: Date | null;
  /** What all received returns give back; null where there are none. */
  returnRefund: number | null;
  /** Units of these that can be sold again. */
  restockedUnits: number;
}

/** Kind of the due work that ends an order whose time is over. */
export const expireKind = "orders.expire";
/** Kind of the due work that begins an order whose time has come. */
export const releaseKind = "orders.release";
/** Kind of the due work that places an order for what is wanted instead of a return. */
export const exchangeKind = "orders.exchange";
/** Kind of the due work that brings a change of an order to its end. */
export const changeKind = "orders.change";
/** Kind of the due work that has the parcel of an order stopped that must not leave. */
export const stopParcelKind = "orders.stop_parcel";

/** The amount of a tax that the price does not contain; 0 where there is none. */
const onTop = (tax: RawBuilder<unknown>) =>
  sql`coalesce(case when not (${tax} ->> 'isIncluded')::boolean then (${tax} ->> 'amount')::bigint end, 0)`;

async function readAudited(db: Kysely<OrdersTables>, chosen: RawBuilder<unknown>): Promise<AuditRow[]> {
  const read = await sql<AuditRow>`
    select orders.order_id as "orderId", orders.state, orders.currency_code as "currencyCode", orders.subtotal,
      orders.shipping_cost as "shippingCost", orders.tax_added as "taxAdded", orders.total, orders.events_sent as "eventsSent",
      orders.create_time as "createTime", orders.expire_time as "expireTime", orders.process_after as "processAfter",
      coalesce(services.inventory_status, 'pending') as inventory, coalesce(services.fraud_status, 'pending') as fraud,
      orders.asked_total as "askedTotal", orders.last_change_state = 'requested' as "isChanging",
      case when orders.last_change_state = 'requested' then (
        select create_time from order_change change
        where change.order_id = orders.order_id and change.tenant_id = orders.tenant_id and change.state = 'requested'
      ) end as "changeTime",
      back.refund as "returnRefund", coalesce(back.restocked, 0)::bigint as "restockedUnits",
      exists (
        select from due_work
        where kind = ${changeKind} and due_work.tenant_id = orders.tenant_id and due_work.key = orders.order_id
      ) as "isChangePlanned",
      coalesce(services.payment_status, 'pending') as payment,
      items.lines, items.units, items."linesTotal", items."linesTax" + ${onTop(sql`orders.shipping_tax`)} as "taxOnTop",
      coalesce(way."timeline", '[]') as timeline, coalesce(way."stateTime", orders.create_time) as "stateTime",
      case when orders.process_after is null then orders.create_time else way."releaseTime" end as "releaseTime",
      exists (
        select from due_work
        where kind = case orders.state when 'scheduled' then ${releaseKind} else ${expireKind} end
          and due_work.tenant_id = orders.tenant_id and due_work.key = orders.order_id
      ) as "isStepPlanned"
    from (${chosen}) as orders
    left join order_services services on services.tenant_id = orders.tenant_id and services.order_id = orders.order_id
    cross join lateral (
      select count(*)::integer as lines, coalesce(sum(quantity), 0)::bigint as units,
        coalesce(sum(quantity * unit_price), 0)::bigint as "linesTotal",
        coalesce(sum(${onTop(sql`tax`)}), 0)::bigint as "linesTax"
      from order_item where order_item.tenant_id = orders.tenant_id and order_item.order_id = orders.order_id
    ) as items
    cross join lateral (
      select json_agg(json_build_object('sequence', sequence, 'state', step.state, 'reason', reason) order by sequence) as timeline,
        (array_agg(time order by sequence desc))[1] as "stateTime", min(time) filter (where step.state = 'pending') as "releaseTime"
      from order_timeline step where step.tenant_id = orders.tenant_id and step.order_id = orders.order_id
    ) as way
    cross join lateral (
      select sum(refund)::bigint as refund, sum((
        select sum((line ->> 'restocked')::bigint) from jsonb_array_elements(lines) as line
      )) as restocked
      from order_return where order_return.order_id = orders.order_id and order_return.tenant_id = orders.tenant_id
        and order_return.state = 'received'
    ) as back
    order by orders.order_id`.execute(db);
  return read.rows;
}

/** A page of orders, oldest first. */
export function readAuditPage(
  db: Kysely<OrdersTables>,
  page: { tenant: string; after: string | undefined; rowsMax: number; openOnly: boolean },
): Promise<AuditRow[]> {
  const open = page.openOnly
    ? sql`and state in ('scheduled', 'pending', 'pending_shipment', 'partially_shipped', 'shipped')`
    : sql``;
  return readAudited(
    db,
    sql`
      select * from orders
      where tenant_id = ${page.tenant} and order_id > ${page.after ?? ""} ${open}
      order by order_id limit ${page.rowsMax}`,
  );
}

/** The given orders; those that do not exist are left out. */
export function readAuditedOrders(
  db: Kysely<OrdersTables>,
  { tenant, orderIds }: { tenant: string; orderIds: readonly string[] },
): Promise<AuditRow[]> {
  return readAudited(db, sql`select * from orders where tenant_id = ${tenant} and order_id = any(${orderIds}::text[])`);
}

export async function isPlanned(
  tx: Transaction<OrdersTables>,
  kind: string,
  { tenant, orderId }: { tenant: string; orderId: string },
): Promise<boolean> {
  const planned = await sql`
    select from due_work where kind = ${kind} and tenant_id = ${tenant} and key = ${orderId}`.execute(tx);
  return planned.rows.length > 0;
}

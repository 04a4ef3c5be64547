// The changes of orders in the order of their commits. A change is in its place for good as soon as no transaction is left that
// could come before it; until then it is not read. Steps of one order are in their order, whichever transaction began first: a
// step never has a place before the step before it (saveTimelines).
import { sql, type Kysely } from "kysely";
import type { OrderState } from "../domain/order.ts";
import { readWhole, type OrderRow } from "./read.ts";
import type { OrderKey } from "./progress.ts";
import type { OrdersTables } from "./tables.ts";

/** A place in that order; between two changes, too: an empty order id stands before all changes of the transaction. */
export interface Place {
  xid: string;
  orderId: string;
  sequence: number;
}

export interface ChangeRow extends Place {
  tenant: string;
  customerId: string;
  state: OrderState;
  reason: string;
  time: Date;
}

/** Negative where the first is before the second. */
export function comparePlaces(one: Place, other: Place): number {
  if (one.xid !== other.xid) return BigInt(one.xid) < BigInt(other.xid) ? -1 : 1;
  if (one.orderId !== other.orderId) return one.orderId < other.orderId ? -1 : 1;
  return one.sequence - other.sequence;
}

const placeOf = sql`(step.xid, step.order_id collate "C", step.sequence)`;
const asRow = ({ xid, orderId, sequence }: Place) => sql`(${xid}::xid8, ${orderId}::text collate "C", ${sequence}::integer)`;
const isSettled = sql`step.xid < pg_snapshot_xmin(pg_current_snapshot())`;
const changeColumns = sql`
  step.xid::text as xid, step.order_id as "orderId", step.sequence, step.tenant_id as tenant, step.state, step.reason, step.time`;

/** The place behind all changes that are in theirs, and the first transaction that there has not been yet. */
export async function readHorizon(db: Kysely<OrdersTables>): Promise<{ end: Place; nextXid: string }> {
  const read = await sql<{ xid: string; nextXid: string }>`
    select pg_snapshot_xmin(now)::text as xid, pg_snapshot_xmax(now)::text as "nextXid" from pg_current_snapshot() as now`.execute(
    db,
  );
  const [row] = read.rows;
  if (!row) throw new Error("the database has no snapshot");
  return { end: { xid: row.xid, orderId: "", sequence: 0 }, nextXid: row.nextXid };
}

/** The next changes of all tenants, and whether there are some that are not in their place yet. */
export async function readChanges(
  db: Kysely<OrdersTables>,
  { after, rowsMax }: { after: Place; rowsMax: number },
): Promise<{ changes: ChangeRow[]; isUnsettled: boolean }> {
  const read = await sql<ChangeRow & { isSettled: boolean }>`
    select ${changeColumns}, orders.customer_id as "customerId", ${isSettled} as "isSettled"
    from order_timeline step join orders using (tenant_id, order_id)
    where ${placeOf} > ${asRow(after)} and step.xid is not null
    order by step.xid, step.order_id collate "C", step.sequence
    limit ${rowsMax}`.execute(db);
  const changes = read.rows.filter((row) => row.isSettled);
  return { changes, isUnsettled: changes.length < read.rows.length };
}

export interface ChangeFilter {
  tenant: string;
  /** Empty for those of all. */
  customerId: string;
  /** Undefined for all. */
  state: OrderState | undefined;
}

/** Changes of a tenant between two places, the second included, with the orders as they are now. */
export async function readChangesOf(
  db: Kysely<OrdersTables>,
  { filter, after, upTo, rowsMax }: { filter: ChangeFilter; after: Place; upTo: Place; rowsMax: number },
): Promise<(ChangeRow & { order: OrderRow })[]> {
  const { tenant, customerId, state } = filter;
  const conditions = [
    sql`${placeOf} > ${asRow(after)}`,
    sql`${placeOf} <= ${asRow(upTo)}`,
    sql`step.xid is not null`,
    sql`step.tenant_id = ${tenant}`,
    ...(customerId === "" ? [] : [sql`orders.customer_id = ${customerId}`]),
    ...(state === undefined ? [] : [sql`step.state = ${state}`]),
  ];
  const read = await sql<ChangeRow>`
    select ${changeColumns}, orders.customer_id as "customerId"
    from order_timeline step join orders using (tenant_id, order_id)
    where ${sql.join(conditions, sql` and `)}
    order by step.xid, step.order_id collate "C", step.sequence
    limit ${rowsMax}`.execute(db);
  const orders = await readOrders(db, read.rows);
  return read.rows.flatMap((row) => {
    const order = orders.get(orderNameOf(row));
    return order ? [{ ...row, order }] : [];
  });
}

export const orderNameOf = ({ tenant, orderId }: OrderKey): string => `${tenant}.${orderId}`;

/** Whole orders, in one statement, by orderNameOf. */
export async function readOrders(db: Kysely<OrdersTables>, keys: readonly OrderKey[]): Promise<Map<string, OrderRow>> {
  if (keys.length === 0) return new Map();
  const rows = await readWhole(
    db,
    sql`(orders.tenant_id, orders.order_id) in (
      select * from unnest(${keys.map(({ tenant }) => tenant)}::text[], ${keys.map(({ orderId }) => orderId)}::text[])
    )`,
  );
  return new Map(rows.map((row) => [orderNameOf({ tenant: row.tenant_id, orderId: row.order_id }), row]));
}

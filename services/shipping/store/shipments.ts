// The SQL of shipments: an order has one parcel or, once it is split, several. They are locked together.
import { sql, type ColumnType, type Kysely, type Selectable, type Transaction } from "kysely";
import type { Address, Line, Priority, Shipment, ShipmentState, ShippingMethod, Split } from "../domain/shipment.ts";
import type { RateTable } from "./rates.ts";

interface ShipmentTable {
  tenant_id: string;
  order_id: string;
  shipment_id: string;
  parcel: number;
  /** Null, as are the other two, for the first parcel of an order. */
  split_from: string | null;
  split_request_id: string | null;
  split_request_hash: Buffer | null;
  customer_id: string;
  state: ShipmentState;
  method: ShippingMethod | null;
  carrier: string;
  tracking_number: string;
  booking_version: number;
  booking_refusal: string;
  booking_message: string;
  /** An object on the way out, JSON text on the way in. */
  address: ColumnType<Address | null, string | null, string | null>;
  priority: Priority;
  /** The same. */
  lines: ColumnType<Line[], string, string>;
  ready_event_id: string | null;
  stop_reason: string;
  create_time: Date;
  dispatch_time: Date | null;
  deliver_time: Date | null;
  fail_time: Date | null;
  fail_reason: string;
  return_time: Date | null;
  stop_time: Date | null;
  pack_time: Date | null;
  event_count: number;
  number_count: number;
}

type Row = Selectable<ShipmentTable>;

export interface Tables {
  shipment: ShipmentTable;
  parcel_hold: { tenant_id: string; order_id: string; change_id: string; create_time: Date; end_time: Date | null };
  rate: RateTable;
}

export interface OrderKey {
  tenant: string;
  orderId: string;
}

export const keyOf = ({ tenant, orderId }: OrderKey): string => JSON.stringify([tenant, orderId]);

/** Of a new parcel; the others begin as their defaults. */
const insertedColumns = [
  "tenant_id",
  "order_id",
  "shipment_id",
  "parcel",
  "split_from",
  "split_request_id",
  "split_request_hash",
  "customer_id",
  "state",
  "method",
  "carrier",
  "tracking_number",
  "booking_version",
  "address",
  "priority",
  "lines",
  "ready_event_id",
  "stop_reason",
  "create_time",
  "dispatch_time",
  "deliver_time",
  "fail_time",
  "fail_reason",
  "return_time",
  "stop_time",
  "pack_time",
  "event_count",
] as const satisfies (keyof ShipmentTable)[];
const columns = [...insertedColumns, "booking_refusal", "booking_message", "number_count"] as const;
const listOf = (names: readonly string[]) => sql.join(names.map((column) => sql.ref(column)));
const columnList = listOf(columns);
const insertedList = listOf(insertedColumns);

const shipmentOfRow = (row: Row): Shipment => ({
  tenant: row.tenant_id,
  orderId: row.order_id,
  shipmentId: row.shipment_id,
  parcel: row.parcel,
  split: splitOfRow(row),
  customerId: row.customer_id,
  state: row.state,
  method: row.method,
  carrier: row.carrier,
  trackingNumber: row.tracking_number,
  bookingVersion: row.booking_version,
  bookingRefusal: row.booking_refusal,
  bookingMessage: row.booking_message,
  address: row.address,
  priority: row.priority,
  lines: row.lines,
  readyEventId: row.ready_event_id,
  stopReason: row.stop_reason,
  createTime: row.create_time,
  dispatchTime: row.dispatch_time,
  deliverTime: row.deliver_time,
  failTime: row.fail_time,
  failReason: row.fail_reason,
  returnTime: row.return_time,
  stopTime: row.stop_time,
  packTime: row.pack_time,
  eventCount: row.event_count,
  numberCount: row.number_count,
});

function splitOfRow({
  split_from: fromShipmentId,
  split_request_id: requestId,
  split_request_hash: requestHash,
}: Row): Split | null {
  return fromShipmentId !== null && requestId !== null && requestHash ? { fromShipmentId, requestId, requestHash } : null;
}

/** The parcels of an order, the first one first; none where it has none. */
export async function findParcels(db: Kysely<Tables>, { tenant, orderId }: OrderKey): Promise<Shipment[]> {
  const rows = await db
    .selectFrom("shipment")
    .select(columns)
    .where("tenant_id", "=", tenant)
    .where("order_id", "=", orderId)
    .orderBy("parcel")
    .execute();
  return rows.map(shipmentOfRow);
}

/** A place among the parcels that have no number yet. */
export interface UnbookedPlace {
  createTime: Date;
  orderId: string;
  parcel: number;
}

/** Parcels that wait for a number after a place among them, or from the oldest on. */
export async function listUnbooked(
  db: Kysely<Tables>,
  { tenant, after, rowsMax }: { tenant: string; after: UnbookedPlace | undefined; rowsMax: number },
): Promise<Shipment[]> {
  const later = after
    ? sql`and (create_time, order_id, parcel) > (${after.createTime}, ${after.orderId}, ${after.parcel})`
    : sql``;
  const { rows } = await sql<Row>`
    select ${columnList} from shipment
    where tenant_id = ${tenant} and state = 'CREATED' and tracking_number = '' ${later}
    order by create_time, order_id, parcel limit ${rowsMax}`.execute(db);
  return rows.map(shipmentOfRow);
}

/** Whose parcels these are, by the ids of shipments; that never changes. Unknown ones are left out. */
export async function findOrdersOf(
  db: Kysely<Tables>,
  shipments: readonly { tenant: string; shipmentId: string }[],
): Promise<(OrderKey & { shipmentId: string })[]> {
  if (shipments.length === 0) return [];
  const { rows } = await sql<OrderKey & { shipmentId: string }>`
    select tenant_id as tenant, order_id as "orderId", shipment_id as "shipmentId" from shipment
    where (shipment_id, tenant_id) in (
      select * from unnest(${shipments.map(({ shipmentId }) => shipmentId)}::text[], ${shipments.map(({ tenant }) => tenant)}::text[])
    )`.execute(db);
  return rows;
}

/**
 * The parcels of orders that have some, by keyOf, the first one first, locked until the transaction ends. Everybody locks all parcels of an
 * order, in the order of the keys: whoever has them numbers the order's events.
 */
export async function lockParcels(tx: Transaction<Tables>, keys: readonly OrderKey[]): Promise<Map<string, Shipment[]>> {
  if (keys.length === 0) return new Map();
  const wanted = sql`
    select * from unnest(${keys.map(({ tenant }) => tenant)}::text[], ${keys.map(({ orderId }) => orderId)}::text[])`;
  // A statement of its own: one that has waited for a lock does not see the parcels that were made meanwhile. Both travel together.
  const locking = sql`
    select 1 from shipment where (tenant_id, order_id) in (${wanted}) and parcel = 1
    order by tenant_id, order_id
    for update`.execute(tx);
  const reading = sql<Row>`
    select ${columnList} from shipment where (tenant_id, order_id) in (${wanted})
    order by tenant_id, order_id, parcel
    for update`.execute(tx);
  const [, { rows }] = await Promise.all([locking, reading]);
  return Map.groupBy(rows.map(shipmentOfRow), keyOf);
}

/**
 * Inserts parcels where the order has none at their place, and answers those that it inserted. Where another transaction is about to
 * insert one for the same place, it waits for the outcome; that is what makes one of two the first.
 */
export async function insertShipments(tx: Transaction<Tables>, shipments: readonly Shipment[]): Promise<Shipment[]> {
  if (shipments.length === 0) return [];
  const column = <Value>(pick: (shipment: Shipment) => Value): Value[] => shipments.map(pick);
  const { rows } = await sql<OrderKey>`
    insert into shipment (${insertedList})
    select * from unnest(
      ${column((shipment) => shipment.tenant)}::text[],
      ${column((shipment) => shipment.orderId)}::text[],
      ${column((shipment) => shipment.shipmentId)}::text[],
      ${column((shipment) => shipment.parcel)}::integer[],
      ${column((shipment) => shipment.split?.fromShipmentId ?? null)}::text[],
      ${column((shipment) => shipment.split?.requestId ?? null)}::text[],
      ${column((shipment) => shipment.split?.requestHash ?? null)}::bytea[],
      ${column((shipment) => shipment.customerId)}::text[],
      ${column((shipment) => shipment.state)}::text[],
      ${column((shipment) => shipment.method)}::text[],
      ${column((shipment) => shipment.carrier)}::text[],
      ${column((shipment) => shipment.trackingNumber)}::text[],
      ${column((shipment) => shipment.bookingVersion)}::integer[],
      ${column((shipment) => shipment.address && JSON.stringify(shipment.address))}::jsonb[],
      ${column((shipment) => shipment.priority)}::text[],
      ${column((shipment) => JSON.stringify(shipment.lines))}::jsonb[],
      ${column((shipment) => shipment.readyEventId)}::text[],
      ${column((shipment) => shipment.stopReason)}::text[],
      ${column((shipment) => shipment.createTime)}::timestamptz[],
      ${column((shipment) => shipment.dispatchTime)}::timestamptz[],
      ${column((shipment) => shipment.deliverTime)}::timestamptz[],
      ${column((shipment) => shipment.failTime)}::timestamptz[],
      ${column((shipment) => shipment.failReason)}::text[],
      ${column((shipment) => shipment.returnTime)}::timestamptz[],
      ${column((shipment) => shipment.stopTime)}::timestamptz[],
      ${column((shipment) => shipment.packTime)}::timestamptz[],
      ${column((shipment) => shipment.eventCount)}::bigint[]
    ) as wanted (${insertedList})
    order by tenant_id, order_id
    on conflict (tenant_id, order_id, parcel) do nothing
    returning tenant_id as tenant, order_id as "orderId"`.execute(tx);
  const inserted = new Set(rows.map(keyOf));
  return shipments.filter((shipment) => inserted.has(keyOf(shipment)));
}

/** Writes the next step of shipments. Throws where one has taken another step since: the caller has locked them. */
export async function saveSteps(tx: Transaction<Tables>, shipments: readonly Shipment[]): Promise<void> {
  if (shipments.length === 0) return;
  const { rows } = await sql`
    update shipment
    set state = step.state, dispatch_time = step.dispatch_time, deliver_time = step.deliver_time,
        fail_time = step.fail_time, fail_reason = step.fail_reason, return_time = step.return_time,
        stop_time = step.stop_time, stop_reason = step.stop_reason, event_count = step.event_count
    from unnest(
      ${shipments.map(({ tenant }) => tenant)}::text[],
      ${shipments.map(({ orderId }) => orderId)}::text[],
      ${shipments.map(({ parcel }) => parcel)}::integer[],
      ${shipments.map(({ state }) => state)}::text[],
      ${shipments.map(({ dispatchTime }) => dispatchTime)}::timestamptz[],
      ${shipments.map(({ deliverTime }) => deliverTime)}::timestamptz[],
      ${shipments.map(({ failTime }) => failTime)}::timestamptz[],
      ${shipments.map(({ failReason }) => failReason)}::text[],
      ${shipments.map(({ returnTime }) => returnTime)}::timestamptz[],
      ${shipments.map(({ stopTime }) => stopTime)}::timestamptz[],
      ${shipments.map(({ stopReason }) => stopReason)}::text[],
      ${shipments.map(({ eventCount }) => eventCount)}::bigint[]
    ) as step (tenant_id, order_id, parcel, state, dispatch_time, deliver_time, fail_time, fail_reason, return_time, stop_time, stop_reason, event_count)
    where shipment.tenant_id = step.tenant_id and shipment.order_id = step.order_id and shipment.parcel = step.parcel
      and shipment.event_count = step.event_count - 1
    returning shipment.order_id`.execute(tx);
  if (rows.length !== shipments.length) throw new Error("a shipment took another step while it was locked");
}

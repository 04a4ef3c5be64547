// What the services have written of a tenant's changes, returns and exchanges.
import type pg from "pg";

export interface ChangeRow {
  orderId: string;
  changeId: string;
  requestId: string;
  state: string;
}

/** Of a return, in three services. */
export interface ReturnRow {
  orderId: string;
  returnId: string;
  requestId: string;
  state: string;
  /** Undefined-like before it is received, as are wanted and booked where payments has not heard of it. Minor units. */
  refund: number | null;
  wanted: number | null;
  booked: number | null;
  exchangeState: string | null;
  exchangeOrderId: string | null;
  exchangeReason: string | null;
}

export interface UnitsRow {
  /** An order or a return. */
  id: string;
  sku: string;
  quantity: number;
}

export interface ChangeBooks {
  changes: ChangeRow[];
  returns: ReturnRow[];
  /** What was in each parcel. */
  packed: UnitsRow[];
  /** What each order has in inventory's books. */
  reserved: UnitsRow[];
  /** What has left for each order, and what came back by each return. */
  departed: UnitsRow[];
  restocked: UnitsRow[];
  /** Parcels that a change still holds. */
  parcelHolds: { orderId: string; changeId: string }[];
}

export async function readChangeBooks(db: pg.Client, tenant: string): Promise<ChangeBooks> {
  const read = async <Row>(statement: string): Promise<Row[]> => (await db.query(statement, [tenant])).rows as Row[];
  return {
    changes: await read(`
      select order_id as "orderId", change_id as "changeId", request_id as "requestId", state
      from orders.order_change where tenant_id = $1`),
    returns: await read(`
      select order_return.order_id as "orderId", return_id as "returnId", request_id as "requestId", state, refund::float8 as refund,
        wanted_minor_units::float8 as wanted, amount_minor_units::float8 as booked,
        exchange ->> 'state' as "exchangeState", exchange ->> 'orderId' as "exchangeOrderId", exchange ->> 'reason' as "exchangeReason"
      from orders.order_return left join payments.return_refund using (tenant_id, return_id) where tenant_id = $1`),
    packed: await read(`
      select order_id as id, line ->> 'sku' as sku, sum((line ->> 'quantity')::float8) as quantity
      from shipping.shipment, jsonb_array_elements(lines) as line where tenant_id = $1 group by 1, 2`),
    reserved: await read(`
      select order_id as id, sku, sum(quantity)::float8 as quantity from inventory.reservation_line where tenant_id = $1 group by 1, 2`),
    departed: await read(movements("order_id", "SHIPMENT", -1)),
    restocked: await read(movements("return_id", "RETURN", 1)),
    parcelHolds: await read(`
      select order_id as "orderId", change_id as "changeId" from shipping.parcel_hold where tenant_id = $1 and end_time is null`),
  };
}

const movements = (id: string, type: string, sign: number): string => `
  select ${id} as id, sku, ${sign} * sum(quantity)::float8 as quantity from inventory.stock_movement
  where tenant_id = $1 and type = '${type}' group by 1, 2`;

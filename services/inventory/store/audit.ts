// The books as an audit reads them: each statement sees one moment of all tables, so what moves agrees with itself.
import { sql, type Kysely, type RawBuilder } from "kysely";
import type { SkuBooks, UnmatchedDeparture } from "../domain/audit.ts";
import type { ReservationState } from "../domain/reservation.ts";
import type { InventoryTables } from "./tables.ts";

/** SKUs in the order of their names: those after the first, up to the last; without a last, all that follow. */
export interface SkuRange {
  tenant: string;
  after: string;
  upTo: string | undefined;
}

/** A page of so many SKUs. What has no stock records belongs to the page whose range it falls into. */
export async function readSkuRange(
  db: Kysely<InventoryTables>,
  { tenant, after, rowsMax }: { tenant: string; after: string; rowsMax: number },
): Promise<SkuRange> {
  const read = await sql<{ sku: string }>`
    select sku from stock where tenant_id = ${tenant} and sku > ${after}
    order by sku offset ${rowsMax - 1} limit 2`.execute(db);
  // The row after the page's last one says that there is another page.
  return { tenant, after, upTo: read.rows.length === 2 ? read.rows[0]?.sku : undefined };
}

/** Books that are badly wrong must not make an answer without end; the rest is named once these are mended. */
const departuresMax = 1_000;

export async function readBooks(
  db: Kysely<InventoryTables>,
  range: SkuRange,
): Promise<{ books: SkuBooks[]; departures: UnmatchedDeparture[] }> {
  const read = await sql<{ books: SkuBooks[]; departures: UnmatchedDeparture[] }>`
    with moved as (
      select sku, sum(quantity) as units from stock_movement where ${within(range, "stock_movement")} group by sku
    ),
    held as (
      select line.sku, sum(line.quantity - line.shipped) as units
      from reservation join reservation_line line using (tenant_id, order_id)
      where reservation.state in ('HELD', 'FIRM') and ${within(range, "line")}
      group by line.sku
    ),
    books as (
      select sku, coalesce(on_hand, 0) as "onHand", coalesce(reserved, 0) as reserved,
        coalesce(moved.units, 0) as moved, coalesce(held.units, 0) as held, on_hand is not null as "isStocked"
      from (select sku, on_hand, reserved from stock where ${within(range, "stock")}) as stocked
      full join held using (sku)
      left join moved using (sku)
    ),
    departures as (${unmatchedDepartures(range)})
    select
      (select coalesce(json_agg(books order by sku), '[]') from books) as books,
      (select coalesce(json_agg(departures), '[]') from departures) as departures`.execute(db);
  return read.rows[0] ?? { books: [], departures: [] };
}

function unmatchedDepartures(range: SkuRange): RawBuilder<unknown> {
  return sql`
    select sku, unmatched.order_id as "orderId", reservation.state, unmatched.booked, unmatched.moved
    from (
      select sku, order_id, line.quantity as booked, -movement.quantity as moved
      from (
        select line.sku, order_id, case reservation.state when 'SHIPPED' then line.quantity else line.shipped end as quantity
        from reservation_line line join reservation using (tenant_id, order_id)
        where (reservation.state = 'SHIPPED' or line.shipped > 0) and ${within(range, "line")}
      ) as line
      full join (
        select sku, order_id, sum(quantity)::bigint as quantity from stock_movement
        where type = 'SHIPMENT' and ${within(range, "stock_movement")}
        group by sku, order_id
      ) as movement using (sku, order_id)
      where line.quantity is distinct from -movement.quantity
      order by sku, order_id
      limit ${departuresMax}
    ) as unmatched
    left join reservation on reservation.tenant_id = ${range.tenant} and reservation.order_id = unmatched.order_id
    order by sku, unmatched.order_id`;
}

function within({ tenant, after, upTo }: SkuRange, table: string): RawBuilder<unknown> {
  const [tenantColumn, skuColumn] = [sql.ref(`${table}.tenant_id`), sql.ref(`${table}.sku`)];
  const end = upTo === undefined ? sql`` : sql`and ${skuColumn} <= ${upTo}`;
  return sql`${tenantColumn} = ${tenant} and ${skuColumn} > ${after} ${end}`;
}

export interface ReservationSum {
  orderId: string;
  state: ReservationState;
  updateTime: Date;
  expireTime: Date | null;
  units: number;
  /** Units that came back by returns. */
  returnedUnits: number;
}

function readSums(db: Kysely<InventoryTables>, chosen: RawBuilder<unknown>): Promise<ReservationSum[]> {
  return sql<ReservationSum>`
    select order_id as "orderId", state, update_time as "updateTime", expire_time as "expireTime", lines.units,
      (
        select coalesce(sum(quantity), 0)::bigint from stock_movement movement
        where type = 'RETURN' and movement.tenant_id = chosen.tenant_id and movement.order_id = chosen.order_id
      ) as "returnedUnits"
    from (${chosen}) as chosen
    cross join lateral (
      select coalesce(sum(quantity), 0)::bigint as units from reservation_line line
      where line.tenant_id = chosen.tenant_id and line.order_id = chosen.order_id
    ) as lines
    order by order_id`
    .execute(db)
    .then(({ rows }) => rows);
}

/** What is held for orders; those without a reservation are missing. */
export function readReservationSums(
  db: Kysely<InventoryTables>,
  { tenant, orderIds }: { tenant: string; orderIds: readonly string[] },
): Promise<ReservationSum[]> {
  return readSums(db, sql`select * from reservation where tenant_id = ${tenant} and order_id = any(${[...orderIds]}::text[])`);
}

/** Reservations that hold something, oldest order first: an order's id begins with its time. */
export function readLiveReservations(
  db: Kysely<InventoryTables>,
  { tenant, after, rowsMax }: { tenant: string; after: string; rowsMax: number },
): Promise<ReservationSum[]> {
  return readSums(
    db,
    sql`
      select * from reservation
      where tenant_id = ${tenant} and order_id > ${after} and state in ('HELD', 'FIRM')
      order by order_id limit ${rowsMax}`,
  );
}

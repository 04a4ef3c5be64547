// Movements: the books behind on hand, only ever added to.
import { sql, type Kysely, type Transaction } from "kysely";
import { newId } from "#runtime/ids.ts";
import type { InventoryTables, MovementKind } from "./tables.ts";

export interface NewMovement {
  tenant: string;
  sku: string;
  type: MovementKind;
  quantity: number;
  reason: string;
  orderId?: string;
  returnId?: string;
  /** Of one of several parcels; empty where the order has left in one. */
  shipmentId?: string;
}

export interface Movement {
  movementId: string;
  sku: string;
  type: MovementKind;
  quantity: number;
  reason: string;
  orderId: string | null;
  createTime: Date;
}

export async function insertMovements(
  tx: Transaction<InventoryTables>,
  movements: readonly NewMovement[],
  now: Date,
): Promise<string[]> {
  const ids = movements.map(() => newId("mov"));
  if (ids.length === 0) return [];
  await sql`
    insert into stock_movement (tenant_id, movement_id, sku, type, quantity, reason, order_id, return_id, shipment_id, create_time)
    select *, ${now}::timestamptz from unnest(
      ${movements.map(({ tenant }) => tenant)}::text[],
      ${ids}::text[],
      ${movements.map(({ sku }) => sku)}::text[],
      ${movements.map(({ type }) => type)}::text[],
      ${movements.map(({ quantity }) => quantity)}::bigint[],
      ${movements.map(({ reason }) => reason)}::text[],
      ${movements.map(({ orderId }) => orderId ?? null)}::text[],
      ${movements.map(({ returnId }) => returnId ?? null)}::text[],
      ${movements.map(({ shipmentId }) => shipmentId ?? "")}::text[]
    )`.execute(tx);
  return ids;
}

/** Of these returns those that are booked in already, as tenant and id. */
export async function findBookedReturns(
  tx: Transaction<InventoryTables>,
  returns: readonly { tenant: string; returnId: string }[],
): Promise<Set<string>> {
  if (returns.length === 0) return new Set();
  const read = await sql<{ tenant: string; returnId: string }>`
    select tenant_id as tenant, return_id as "returnId" from stock_movement
    where type = 'RETURN' and (tenant_id, return_id) in (
      select * from unnest(${returns.map(({ tenant }) => tenant)}::text[], ${returns.map(({ returnId }) => returnId)}::text[])
    )`.execute(tx);
  return new Set(read.rows.map(({ tenant, returnId }) => `${tenant}.${returnId}`));
}

/** Newest first; those before the given movement, or the newest of all. */
export async function readMovements(
  db: Kysely<InventoryTables>,
  page: { tenant: string; sku: string; before: string | undefined; rowsMax: number },
): Promise<Movement[]> {
  const before = page.before ?? null;
  const read = await sql<Movement>`
    select movement_id as "movementId", sku, type, quantity, reason, order_id as "orderId", create_time as "createTime"
    from stock_movement
    where tenant_id = ${page.tenant} and sku = ${page.sku} and (${before}::text is null or movement_id < ${before})
    order by movement_id desc
    limit ${page.rowsMax}`.execute(db);
  return read.rows;
}

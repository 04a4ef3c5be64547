// Reservations and their lines: locked and written in sets.
import { sql, type Kysely, type Transaction } from "kysely";
import type { HeldLine, Reservation } from "../domain/reservation.ts";
import type { InventoryTables } from "./tables.ts";

interface OrderOfTenant {
  tenant: string;
  orderId: string;
}

type ReservationRow = Omit<Reservation, "lines" | "releaseReason" | "expireTime"> & {
  releaseReason: Reservation["releaseReason"] | null;
  expireTime: Date | null;
};

const reservationColumns = sql`
  tenant_id as tenant, order_id as "orderId", state, release_reason as "releaseReason", expire_time as "expireTime", parcels, sequence`;

const tenants = (of: readonly OrderOfTenant[]): string[] => of.map(({ tenant }) => tenant);
const orderIds = (of: readonly OrderOfTenant[]): string[] => of.map(({ orderId }) => orderId);

export async function readReservation(db: Kysely<InventoryTables>, order: OrderOfTenant): Promise<Reservation | undefined> {
  const read = await sql<ReservationRow>`
    select ${reservationColumns} from reservation
    where tenant_id = ${order.tenant} and order_id = ${order.orderId}`.execute(db);
  return (await withLines(db, read.rows))[0];
}

/** Locks the reservations that exist until the transaction ends, in one order. */
export async function lockReservations(
  tx: Transaction<InventoryTables>,
  orders: readonly OrderOfTenant[],
): Promise<Reservation[]> {
  const locked = await sql<ReservationRow>`
    select ${reservationColumns} from reservation
    where (tenant_id, order_id) in (select * from unnest(${tenants(orders)}::text[], ${orderIds(orders)}::text[]))
    order by tenant_id, order_id
    for update`.execute(tx);
  return withLines(tx, locked.rows);
}

async function withLines(db: Kysely<InventoryTables>, rows: readonly ReservationRow[]): Promise<Reservation[]> {
  if (rows.length === 0) return [];
  const read = await sql<OrderOfTenant & Required<HeldLine>>`
    select tenant_id as tenant, order_id as "orderId", sku, quantity, shipped from reservation_line
    where (tenant_id, order_id) in (select * from unnest(${tenants(rows)}::text[], ${orderIds(rows)}::text[]))
    order by sku`.execute(db);
  const lines = Map.groupBy(read.rows, ({ tenant, orderId }) => `${tenant}.${orderId}`);
  return rows.map((row) => ({
    ...row,
    releaseReason: row.releaseReason ?? undefined,
    expireTime: row.expireTime ?? undefined,
    lines: (lines.get(`${row.tenant}.${row.orderId}`) ?? []).map(({ sku, quantity, shipped }) => ({
      sku,
      quantity,
      ...(shipped > 0 && { shipped }),
    })),
  }));
}

/** Writes new reservations with their lines. Throws where another transaction was quicker; the repeat will see it. */
export async function insertReservations(
  tx: Transaction<InventoryTables>,
  reservations: readonly Reservation[],
  now: Date,
): Promise<void> {
  if (reservations.length === 0) return;
  const lines = reservations.flatMap(({ tenant, orderId, lines }) => lines.map((line) => ({ tenant, orderId, ...line })));
  const [inserted] = await Promise.all([insertHeads(tx, reservations, now), insertLines(tx, lines)]);
  if (inserted !== reservations.length) throw new Error("a reservation was made at the same time");
}

async function insertHeads(tx: Transaction<InventoryTables>, reservations: readonly Reservation[], now: Date): Promise<number> {
  const inserted = await sql`
    insert into reservation (tenant_id, order_id, state, release_reason, expire_time, sequence, create_time, update_time)
    select *, ${now}::timestamptz, ${now}::timestamptz from unnest(
      ${tenants(reservations)}::text[],
      ${orderIds(reservations)}::text[],
      ${reservations.map(({ state }) => state)}::text[],
      ${reservations.map(({ releaseReason }) => releaseReason ?? null)}::text[],
      ${reservations.map(({ expireTime }) => expireTime ?? null)}::timestamptz[],
      ${reservations.map(({ sequence }) => sequence)}::bigint[]
    )
    on conflict do nothing`.execute(tx);
  return Number(inserted.numAffectedRows);
}

async function insertLines(tx: Transaction<InventoryTables>, lines: readonly (OrderOfTenant & HeldLine)[]): Promise<void> {
  if (lines.length === 0) return;
  await sql`
    insert into reservation_line (tenant_id, order_id, sku, quantity, shipped)
    select * from unnest(
      ${tenants(lines)}::text[],
      ${orderIds(lines)}::text[],
      ${lines.map(({ sku }) => sku)}::text[],
      ${lines.map(({ quantity }) => quantity)}::bigint[],
      ${lines.map(({ shipped = 0 }) => shipped)}::bigint[]
    )`.execute(tx);
}

/** Writes locked reservations. Throws where one is no longer what it was when it was locked. */
export async function saveReservations(
  tx: Transaction<InventoryTables>,
  changed: readonly { before: Reservation; after: Reservation }[],
  now: Date,
): Promise<void> {
  if (changed.length === 0) return;
  const after = changed.map((change) => change.after);
  const saved = await sql`
    update reservation
    set state = changed.state, release_reason = changed.release_reason, sequence = changed.sequence,
      parcels = array(select jsonb_array_elements_text(changed.parcels)), update_time = ${now}
    from unnest(
      ${tenants(after)}::text[],
      ${orderIds(after)}::text[],
      ${changed.map(({ before }) => before.state)}::text[],
      ${changed.map(({ before }) => before.sequence)}::bigint[],
      ${after.map(({ state }) => state)}::text[],
      ${after.map(({ releaseReason }) => releaseReason ?? null)}::text[],
      ${after.map(({ sequence }) => sequence)}::bigint[],
      ${after.map(({ parcels }) => JSON.stringify(parcels))}::jsonb[]
    ) as changed (tenant_id, order_id, state_before, sequence_before, state, release_reason, sequence, parcels)
    where reservation.tenant_id = changed.tenant_id and reservation.order_id = changed.order_id
      and reservation.state = changed.state_before and reservation.sequence = changed.sequence_before`.execute(tx);
  if (saved.numAffectedRows !== BigInt(changed.length)) throw new Error("a reservation changed under its lock");
  await replaceLines(
    tx,
    changed.flatMap(({ before, after }) => (before.lines === after.lines ? [] : [after])),
  );
}

/** Only a change of an order brings other lines, or a parcel that leaves before others. */
async function replaceLines(tx: Transaction<InventoryTables>, reservations: readonly Reservation[]): Promise<void> {
  if (reservations.length === 0) return;
  await sql`
    delete from reservation_line
    where (tenant_id, order_id) in (select * from unnest(${tenants(reservations)}::text[], ${orderIds(reservations)}::text[]))`.execute(
    tx,
  );
  await insertLines(
    tx,
    reservations.flatMap(({ tenant, orderId, lines }) => lines.map((line) => ({ tenant, orderId, ...line }))),
  );
}

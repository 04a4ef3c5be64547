// The SQL of the pick queue.
import { sql, type Kysely, type Transaction } from "kysely";
import type { Pick } from "../domain/pick.ts";
import { isNotHeld } from "./holds.ts";
import type { OrderKey, Tables } from "./shipments.ts";

const columns = sql`order_id as "orderId", shipment_id as "shipmentId", parcel, state, priority, method, lines, create_time as "createTime",
  tracking_number = '' as "isUnbooked",
  pick_worker as worker, pick_until as "leaseTime", pack_time as "packTime"`;
const waits = sql`state = 'CREATED' and pack_time is null and tracking_number <> '' and ${isNotHeld}`;
const turn = sql`(priority <> 'RUSH'), create_time, order_id, parcel`;

/** The place of a parcel in the queue. */
export interface Turn {
  isRush: boolean;
  createTime: Date;
  orderId: string;
  parcel: number;
}

/** What waits after a place in the queue, or from its begin. */
export async function readQueue(
  db: Kysely<Tables>,
  { tenant, after, rowsMax }: { tenant: string; after: Turn | undefined; rowsMax: number },
): Promise<Pick[]> {
  const later = after
    ? sql`and (${turn}) > (${!after.isRush}, ${after.createTime}::timestamptz, ${after.orderId}, ${after.parcel})`
    : sql``;
  const { rows } = await sql<Pick>`
    select ${columns} from shipment where tenant_id = ${tenant} and ${waits} ${later} order by ${turn} limit ${rowsMax}`.execute(
    db,
  );
  return rows;
}

interface Claim {
  tenant: string;
  worker: string;
  now: Date;
}

/** What the worker has. Whoever asks for the same worker at the same moment waits until this transaction ends. */
export async function lockClaims(tx: Transaction<Tables>, { tenant, worker, now }: Claim): Promise<Pick[]> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${JSON.stringify(["pick", tenant, worker])}, 0))`.execute(tx);
  const { rows } = await sql<Pick>`
    select ${columns} from shipment
    where tenant_id = ${tenant} and ${waits} and pick_worker <> '' and pick_worker = ${worker} and pick_until > ${now}
    order by tenant_id, order_id, parcel
    for update`.execute(tx);
  return rows;
}

/** Claims the first that nobody has. What others are claiming at this moment is passed over, so nobody waits. */
export async function claimNext(
  tx: Transaction<Tables>,
  { tenant, worker, now, until, rowsMax }: Claim & { until: Date; rowsMax: number },
): Promise<{ before: Pick; after: Pick }[]> {
  const { rows } = await sql<Pick>`
    select ${columns} from shipment
    where tenant_id = ${tenant} and ${waits} and (pick_until is null or pick_until <= ${now})
    order by ${turn} limit ${rowsMax}
    for update skip locked`.execute(tx);
  await sql`
    update shipment set pick_worker = ${worker}, pick_until = ${until}
    where tenant_id = ${tenant} and shipment_id = any(${rows.map(({ shipmentId }) => shipmentId)}::text[])`.execute(tx);
  return rows.map((before) => ({ before, after: { ...before, worker, leaseTime: until } }));
}

/** The parcels of an order, the first one first. */
export async function lockPicks(tx: Transaction<Tables>, { tenant, orderId }: OrderKey): Promise<Pick[]> {
  const { rows } = await sql<Pick>`
    select ${columns} from shipment where tenant_id = ${tenant} and order_id = ${orderId} order by parcel for update`.execute(tx);
  return rows;
}

export async function savePacked(tx: Transaction<Tables>, tenant: string, { orderId, parcel, packTime }: Pick): Promise<void> {
  await sql`
    update shipment set pack_time = ${packTime}
    where tenant_id = ${tenant} and order_id = ${orderId} and parcel = ${parcel}`.execute(tx);
}

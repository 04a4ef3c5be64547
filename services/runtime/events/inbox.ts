// The inbox makes a repeat harmless: one row per event, in the transaction of its effect, behind the lease's fence.
import { sql, type Kysely, type Transaction } from "kysely";
import { LeaseLost, type Lease } from "../lease/lease-store.ts";
import type { Delivery } from "./delivery.ts";

/** What one lease allows to be handled: deliveries of its partition. */
export interface LeasedDeliveries {
  lease: Lease;
  deliveries: readonly Delivery[];
}

/**
 * Marks events as handled and answers the ids of those that were not before. Holds the leases' rows until the
 * transaction ends, so that no successor starts while it may still commit. Throws LeaseLost where one of them is lost.
 */
export async function enterInbox<Tables>(tx: Transaction<Tables>, leased: readonly LeasedDeliveries[]): Promise<Set<string>> {
  const leases = leased.map(({ lease }) => lease);
  const deliveries = leased.flatMap((one) => one.deliveries);
  const entered = await sql<{ fenced: number; fresh: string[] | null }>`
    with fence as (
      select 1 from lease
      where (name, holder, epoch) in (
        select * from unnest(
          ${leases.map(({ name }) => name)}::text[],
          ${leases.map(({ holder }) => holder)}::text[],
          ${leases.map(({ epoch }) => epoch)}::bigint[]
        )
      )
      for key share
    ), entered as (
      insert into inbox (event_id, event_time, stream_sequence, attempts)
      select event_id, event_time, stream_sequence, attempts
      from unnest(
        ${deliveries.map((delivery) => delivery.event.id)}::text[],
        ${deliveries.map((delivery) => delivery.event.time)}::timestamptz[],
        ${deliveries.map((delivery) => delivery.streamSequence)}::bigint[],
        ${deliveries.map((delivery) => delivery.message.info.deliveryCount)}::smallint[]
      ) as received (event_id, event_time, stream_sequence, attempts)
      where (select count(*) from fence) = ${leases.length}
      on conflict do nothing
      returning event_id
    )
    select (select count(*)::integer from fence) as fenced, (select array_agg(event_id) from entered) as fresh`.execute(tx);
  const row = entered.rows[0];
  if (row?.fenced !== leases.length) throw new LeaseLost(leases.map(({ name }) => name));
  return new Set(row?.fresh);
}

export interface ParkedEvent {
  eventId: string;
  orderKey: string;
  streamSequence: number;
}

/** Every event that is parked in a partition. */
export async function readParked<Tables>(db: Kysely<Tables>, partition: number): Promise<ParkedEvent[]> {
  const read = await sql<ParkedEvent>`
    select event_id as "eventId", tenant_id || '.' || key as "orderKey", stream_sequence as "streamSequence"
    from parked_event where partition = ${partition}`.execute(db);
  return read.rows;
}

/**
 * Remembers an event that could not be handled, before it leaves the consumer as a dead letter. False where it was
 * handled after all, by whoever had the lease in between. Throws LeaseLost.
 */
export async function parkEvent<Tables>(
  db: Kysely<Tables>,
  lease: Lease,
  delivery: Delivery,
  why: { partition: number; code: string; message: string; attempts: number },
): Promise<boolean> {
  const { event, streamSequence } = delivery;
  const parked = await sql<{ fenced: boolean; parked: boolean }>`
    with fence as (
      select 1 from lease where name = ${lease.name} and holder = ${lease.holder} and epoch = ${lease.epoch} for key share
    ), parked as (
      insert into parked_event (event_id, tenant_id, key, partition, stream_sequence, code, message, attempts)
      select ${event.id}, ${event.tenant}, ${event.key}, ${why.partition}::integer, ${streamSequence}::bigint, ${why.code},
        ${why.message}, ${why.attempts}::integer
      from fence
      where not exists (select from inbox where event_id = ${event.id} and event_time = ${event.time})
      on conflict (event_id) do update
        set code = excluded.code, message = excluded.message, attempts = parked_event.attempts + excluded.attempts, park_time = now()
      returning 1
    )
    select exists (select from fence) as fenced, exists (select from parked) as parked`.execute(db);
  const [row] = parked.rows;
  if (!row?.fenced) throw new LeaseLost([lease.name]);
  return row.parked;
}

/** Forgets events that were handled after all. */
export async function unparkEvents<Tables>(tx: Transaction<Tables>, eventIds: readonly string[]): Promise<void> {
  if (eventIds.length > 0) await sql`delete from parked_event where event_id = any(${[...eventIds]})`.execute(tx);
}

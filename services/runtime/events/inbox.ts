// The inbox makes a repeat harmless: one row per event, in the transaction of its effect, behind the lease's fence.
import { sql, type Kysely, type Transaction } from "kysely";
import type { Lease } from "../lease/lease-store.ts";
import type { Delivery } from "./delivery.ts";

/** The lease has gone to another instance: nothing may be written under it any more. */
export class LeaseLost extends Error {
  constructor(lease: Lease) {
    super(`lease ${lease.name} has gone to another instance`);
    this.name = "LeaseLost";
  }
}

/**
 * Marks events as handled and answers the ids of those that were not before. Holds the lease's row until the
 * transaction ends, so that no successor starts while it may still commit. Throws LeaseLost.
 */
export async function enterInbox<Tables>(
  tx: Transaction<Tables>,
  lease: Lease,
  deliveries: readonly Delivery[],
): Promise<Set<string>> {
  const entered = await sql<{ fenced: boolean; fresh: string[] | null }>`
    with fence as (
      select 1 from lease where name = ${lease.name} and holder = ${lease.holder} and epoch = ${lease.epoch} for share
    ), entered as (
      insert into inbox (event_id, event_time, stream_sequence)
      select event_id, event_time, stream_sequence
      from unnest(
        ${deliveries.map((delivery) => delivery.event.id)}::text[],
        ${deliveries.map((delivery) => delivery.event.time)}::timestamptz[],
        ${deliveries.map((delivery) => delivery.streamSequence)}::bigint[]
      ) as received (event_id, event_time, stream_sequence), fence
      on conflict do nothing
      returning event_id
    )
    select exists (select from fence) as fenced, (select array_agg(event_id) from entered) as fresh`.execute(tx);
  const row = entered.rows[0];
  if (!row?.fenced) throw new LeaseLost(lease);
  return new Set(row.fresh);
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

/** Remembers an event that could not be handled, before it leaves the consumer as a dead letter. */
export async function parkEvent<Tables>(
  db: Kysely<Tables>,
  delivery: Delivery,
  why: { partition: number; code: string; message: string; attempts: number },
): Promise<void> {
  const { event, streamSequence } = delivery;
  await sql`
    insert into parked_event (event_id, tenant_id, key, partition, stream_sequence, code, message, attempts)
    values (${event.id}, ${event.tenant}, ${event.key}, ${why.partition}, ${streamSequence}, ${why.code}, ${why.message}, ${why.attempts})
    on conflict (event_id) do update
      set code = excluded.code, message = excluded.message, attempts = parked_event.attempts + excluded.attempts, park_time = now()`.execute(
    db,
  );
}

/** Forgets events that were handled after all. */
export async function unparkEvents<Tables>(tx: Transaction<Tables>, eventIds: readonly string[]): Promise<void> {
  if (eventIds.length > 0) await sql`delete from parked_event where event_id = any(${[...eventIds]})`.execute(tx);
}

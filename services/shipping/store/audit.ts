// Parcels and their plans as an audit reads them: in one statement, so a step that is being taken agrees with itself.
import { sql, type Kysely, type RawBuilder, type Transaction } from "kysely";
import type { Progress } from "../domain/audit.ts";
import { stepKinds, type StepKind } from "./outbox.ts";
import type { OrderKey, Tables } from "./shipments.ts";

async function readProgress(db: Kysely<Tables>, chosen: RawBuilder<unknown>): Promise<Progress[]> {
  // A stopped parcel may still have a plan, which will find it and do nothing: that is no next step.
  const { rows } = await sql<Progress>`
    select order_id as "orderId", shipment_id as "shipmentId", parcel, carrier, state,
      case
        when state <> 'CREATED' or tracking_number <> '' then 'none'
        when booking_refusal = '' then 'wanted' else 'refused'
      end as booking,
      (select coalesce(sum((line ->> 'quantity')::bigint), 0)::bigint from jsonb_array_elements(lines) line) as units,
      coalesce(return_time, deliver_time, stop_time, fail_time, dispatch_time, create_time) as "updateTime",
      due_work.due_time as "nextStepTime",
      case when state = 'CREATED' then (
        select max(change_id) from parcel_hold hold
        where hold.tenant_id = shipment.tenant_id and hold.order_id = shipment.order_id and hold.end_time is null
      ) end as "heldBy"
    from (${chosen}) as shipment
    left join due_work on due_work.tenant_id = shipment.tenant_id
      and due_work.key = case
        when state = 'CREATED' and tracking_number = '' then shipment_id || '.' || booking_version
        when parcel = 1 then order_id else shipment_id
      end
      and due_work.kind = case
        when state = 'CREATED' and tracking_number = '' then ${stepKinds.book}
        when state = 'CREATED' then ${stepKinds.dispatch}
        when state = 'DISPATCHED' then ${stepKinds.deliver}
      end
    order by order_id, parcel`.execute(db);
  return rows;
}

/** A parcel's place in the order of their orders' ids. */
export interface ParcelPlace {
  orderId: string;
  parcel: number;
}

/** Parcels that are made and have not arrived, in the order of their orders' ids. */
export function readUnderWay(
  db: Kysely<Tables>,
  { tenant, after, rowsMax }: { tenant: string; after: ParcelPlace; rowsMax: number },
): Promise<Progress[]> {
  return readProgress(
    db,
    sql`
      select * from shipment
      where tenant_id = ${tenant} and (order_id, parcel) > (${after.orderId}, ${after.parcel}) and state in ('CREATED', 'DISPATCHED')
      order by order_id, parcel limit ${rowsMax}`,
  );
}

/** Where the parcels of orders stand, those of an order together; orders without one are missing. */
export function readProgressOf(
  db: Kysely<Tables>,
  { tenant, orderIds }: { tenant: string; orderIds: readonly string[] },
): Promise<Progress[]> {
  return readProgress(db, sql`select * from shipment where tenant_id = ${tenant} and order_id = any(${[...orderIds]}::text[])`);
}

export async function insertResumption(
  tx: Transaction<Tables>,
  resumption: OrderKey & { parcel: number; kind: StepKind; reason: string; requestId: string },
  now: Date,
): Promise<void> {
  const { tenant, orderId, parcel, kind, reason, requestId } = resumption;
  await sql`
    insert into resumption (tenant_id, order_id, parcel, step, reason, request_id, create_time)
    values (${tenant}, ${orderId}, ${parcel}, ${kind}, ${reason}, ${requestId}, ${now})`.execute(tx);
}

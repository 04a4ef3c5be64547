// What the runtime's own tables say of an order: one statement for the tables of tenants, one for the inbox.
import { sql, type Kysely, type RawBuilder } from "kysely";
import { afterCursor } from "../events/relay-store.ts";
import type { AskedOrder } from "./told-history.ts";

/** Rows of a list that are told. */
export const rowsMax = 100;
/** Where more events than that wait to be published, those of the order may be behind them. */
const waitingMax = 10_000;

export interface ParkedRow {
  eventId: string;
  code: string;
  attempts: number;
  parkTime: string;
}

export interface UnpublishedRow {
  eventId: string;
  typeName: string;
  sequence: number;
  eventTime: string;
  causeId: string;
  traceparent: string;
  code: string;
}

export interface PlannedRow {
  kind: string;
  dueTime: string;
  attempts: number;
}

export interface CallRow {
  method: string;
  time: string;
  requestId: string;
  subject: string;
  roles: string;
}

/** Each list has one row more than is told where there are more. Times are as JSON has them. */
export interface OwnRows {
  parked: ParkedRow[];
  unpublished: UnpublishedRow[];
  planned: PlannedRow[];
  calls: CallRow[];
}

const listOf = (rows: RawBuilder<unknown>) =>
  sql`(select coalesce(json_agg(told), '[]') from (${rows} limit ${rowsMax + 1}) as told)`;

export async function readOwnRows<Tables>(
  db: Kysely<Tables>,
  { tenant, orderId, kinds, resources }: AskedOrder & { kinds: readonly string[]; resources: readonly string[] },
): Promise<OwnRows> {
  const parked = sql`
    select event_id as "eventId", code, attempts, park_time as "parkTime"
    from parked_event where tenant_id = ${tenant} and key = ${orderId} order by stream_sequence`;
  const told = sql`
    event_id as "eventId", type_name as "typeName", sequence, event_time as "eventTime", cause_id as "causeId", traceparent`;
  // What is published is in the stream; what waits is found by its place, because the outbox has no index by key.
  const unpublished = sql`
    select ${told}, '' as code
    from (select * from outbox where ${afterCursor} order by outbox.xid, outbox.id limit ${waitingMax}) as waiting
    where tenant_id = ${tenant} and key = ${orderId}
    union all
    select ${told}, code from unsent_event where tenant_id = ${tenant} and key = ${orderId}
    order by sequence`;
  // With its kinds, by which the table has its index.
  const planned = sql`
    select kind, due_time as "dueTime", attempt as attempts
    from due_work where kind = any(${[...kinds]}::text[]) and tenant_id = ${tenant} and key = ${orderId}
    order by due_time, kind`;
  const calls = sql`
    select method, entry_time as time, request_id as "requestId", subject, roles
    from audit_entry where tenant_id = ${tenant} and resource_id = any(${[orderId, ...resources]}::text[]) order by entry_time, id`;
  const read = await sql<OwnRows>`
    select ${listOf(parked)} as parked, ${listOf(unpublished)} as unpublished, ${listOf(planned)} as planned,
      ${listOf(calls)} as calls`.execute(db);
  const [row] = read.rows;
  if (!row) throw new Error("no history");
  return row;
}

export interface HandledRow {
  eventId: string;
  handleTime: Date;
  attempts: number;
}

/** The inbox says of no row whose it is: it is asked as the system, by events that are known to be the order's. */
export async function readHandled<Tables>(
  db: Kysely<Tables>,
  events: readonly { eventId: string; eventTime: Date }[],
): Promise<HandledRow[]> {
  const read = await sql<HandledRow>`
    select event_id as "eventId", handle_time as "handleTime", attempts from inbox
    where (event_id, event_time) in (
      select * from unnest(
        ${events.map(({ eventId }) => eventId)}::text[], ${events.map(({ eventTime }) => eventTime)}::timestamptz[]
      )
    )
    order by handle_time, event_id`.execute(db);
  return read.rows;
}

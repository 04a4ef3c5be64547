// Endpoints of other programs.
import { sql, type Kysely, type Transaction } from "kysely";
import type { DisableReason, EndpointState, Health } from "../domain/webhook.ts";
import type { NotificationsTables } from "./tables.ts";

export interface EndpointKey {
  tenant: string;
  endpointId: string;
}

/** What a shop says of an endpoint. */
export interface EndpointWords {
  url: string;
  description: string;
  /** Empty for all. */
  eventTypes: string[];
}

export interface Endpoint extends EndpointWords, Health {
  endpointId: string;
  state: EndpointState;
  disableReason: DisableReason | "";
  secret: Buffer;
  oldSecret: Buffer | null;
  oldSecretExpireTime: Date | null;
  eventsSent: number;
  createTime: Date;
  updateTime: Date;
}

const endpointColumns = sql`
  endpoint_id as "endpointId", url, description, event_types as "eventTypes", state, disable_reason as "disableReason", secret,
  old_secret as "oldSecret", old_secret_expire_time as "oldSecretExpireTime", failures, failing_since as "failingSince",
  events_sent as "eventsSent", create_time as "createTime", update_time as "updateTime"`;

export async function readEndpoint(
  db: Kysely<NotificationsTables>,
  { tenant, endpointId }: EndpointKey,
): Promise<Endpoint | undefined> {
  const read = await sql<Endpoint>`
    select ${endpointColumns} from webhook_endpoint where tenant_id = ${tenant} and endpoint_id = ${endpointId}`.execute(db);
  return read.rows[0];
}

/** The endpoint, which nobody else changes until the transaction ends. */
export async function lockEndpoint(
  tx: Transaction<NotificationsTables>,
  { tenant, endpointId }: EndpointKey,
): Promise<Endpoint | undefined> {
  const read = await sql<Endpoint>`
    select ${endpointColumns} from webhook_endpoint
    where tenant_id = ${tenant} and endpoint_id = ${endpointId} for update`.execute(tx);
  return read.rows[0];
}

/** Oldest first. */
export async function readEndpoints(db: Kysely<NotificationsTables>, tenant: string): Promise<Endpoint[]> {
  const read = await sql<Endpoint>`
    select ${endpointColumns} from webhook_endpoint where tenant_id = ${tenant} order by endpoint_id`.execute(db);
  return read.rows;
}

/** False where the shop has as many as it may have. */
export async function insertEndpoint(
  tx: Transaction<NotificationsTables>,
  tenant: string,
  {
    endpoint,
    endpointsMax,
  }: { endpoint: EndpointWords & { endpointId: string; secret: Buffer; now: Date }; endpointsMax: number },
): Promise<boolean> {
  const { endpointId, url, description, eventTypes, secret, now } = endpoint;
  // Two at the same moment are counted one after the other.
  await sql`select pg_advisory_xact_lock(hashtext('notifications.endpoint'), hashtext(${tenant}))`.execute(tx);
  const inserted = await sql`
    insert into webhook_endpoint (tenant_id, endpoint_id, url, description, event_types, secret, create_time, update_time)
    select ${tenant}, ${endpointId}, ${url}, ${description}, ${eventTypes}::text[], ${secret}, ${now}::timestamptz, ${now}::timestamptz
    where (select count(*) from webhook_endpoint where tenant_id = ${tenant}) < ${endpointsMax}`.execute(tx);
  return (inserted.numAffectedRows ?? 0n) > 0n;
}

/** Of an endpoint that is locked. */
export async function saveEndpoint(
  tx: Transaction<NotificationsTables>,
  { tenant, endpointId }: EndpointKey,
  endpoint: Omit<Endpoint, "endpointId" | "createTime">,
): Promise<void> {
  await sql`
    update webhook_endpoint set url = ${endpoint.url}, description = ${endpoint.description},
      event_types = ${endpoint.eventTypes}::text[], state = ${endpoint.state}, disable_reason = ${endpoint.disableReason},
      secret = ${endpoint.secret}, old_secret = ${endpoint.oldSecret}, old_secret_expire_time = ${endpoint.oldSecretExpireTime},
      failures = ${endpoint.failures}, failing_since = ${endpoint.failingSince}, events_sent = ${endpoint.eventsSent},
      update_time = ${endpoint.updateTime}
    where tenant_id = ${tenant} and endpoint_id = ${endpointId}`.execute(tx);
}

/** With its deliveries. */
export async function deleteEndpoint(tx: Transaction<NotificationsTables>, { tenant, endpointId }: EndpointKey): Promise<void> {
  await sql`delete from webhook_endpoint where tenant_id = ${tenant} and endpoint_id = ${endpointId}`.execute(tx);
}

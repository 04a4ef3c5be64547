// Tells the services of tenants, in the transaction that makes them.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Transaction } from "kysely";
import { TenantCreatedSchema } from "#gen/ordermesh/identity/events/v1/identity_events_pb.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, requestCause } from "#runtime/events/outgoing.ts";
import type { IdentityTables } from "../store/tables.ts";
import { takeUnannounced } from "../store/tenants.ts";

/**
 * Tells of every tenant that was not told of: once each, so the sequence is always 1. The event is the new tenant's own, because
 * whoever hears it makes rows for the event's tenant.
 */
export async function announceTenants(tx: Transaction<IdentityTables>, now: Date): Promise<void> {
  const tenants = await takeUnannounced(tx);
  const cause = requestCause();
  await appendEvents(
    tx,
    tenants.map(({ tenantId, title, createTime }) =>
      outgoing(
        TenantCreatedSchema,
        { tenantId, title, createTime: timestampFromDate(createTime) },
        { tenant: tenantId, sequence: 1, time: now, cause },
      ),
    ),
  );
}

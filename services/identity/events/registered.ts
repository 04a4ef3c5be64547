// Tells that a customer has an account, once: an account is removed only with its customer.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Transaction } from "kysely";
import { AccountRegisteredSchema } from "#gen/ordermesh/identity/events/v1/identity_events_pb.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, requestCause } from "#runtime/events/outgoing.ts";
import type { IdentityTables } from "../store/tables.ts";

export async function tellRegistered(
  tx: Transaction<IdentityTables>,
  { tenant, customerId, now }: { tenant: string; customerId: string; now: Date },
): Promise<void> {
  const message = { customerId, registerTime: timestampFromDate(now) };
  await appendEvents(tx, [outgoing(AccountRegisteredSchema, message, { tenant, sequence: 1, time: now, cause: requestCause() })]);
}

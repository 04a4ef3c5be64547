// Who is erased has no account any more, and nobody is signed in for it.
import { CustomerErasedSchema } from "#gen/ordermesh/customers/events/v1/customers_events_pb.ts";
import { actFor, actForAll } from "#runtime/database/scope.ts";
import { hear, type Hearing } from "#runtime/events/hearing.ts";
import { revokeSessions } from "./events/revoked.ts";
import { eraseAccount } from "./store/personal-data.ts";
import type { IdentityTables } from "./store/tables.ts";
import { readNow } from "./store/time.ts";

export function identityHears(): Hearing[] {
  return [
    hear<typeof CustomerErasedSchema, IdentityTables>({
      name: "identity.erase",
      event: CustomerErasedSchema,
      handle: async (tx, events) => {
        const now = await readNow(tx);
        // In one order, so that two batches do not wait for each other.
        const sorted = events.toSorted((one, other) => (one.key < other.key ? -1 : 1));
        for (const { tenant, key: customerId, cause } of sorted) {
          await eraseAccount(tx, { tenant, customerId }, now);
          // What is revoked is of no tenant.
          await actForAll(tx);
          await revokeSessions(tx, { tenant, customerId }, { now, cause });
          await actFor(tx, tenant);
        }
      },
    }),
  ];
}

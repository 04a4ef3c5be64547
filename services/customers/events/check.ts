// Plans to ask all services what they still keep.
import type { Transaction } from "kysely";
import type { Cause } from "#runtime/events/outgoing.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import type { CustomerKey, CustomersTables } from "../store/tables.ts";

export const checkKind = "customers.check_erasure";

/** A later plan takes the place of an earlier one. */
export async function planCheck(
  tx: Transaction<CustomersTables>,
  { tenant, customerId }: CustomerKey,
  { inMs, cause }: { inMs: number; cause: Cause },
): Promise<void> {
  await planDue(tx, [{ kind: checkKind, tenant, key: customerId, due: { inMs }, cause }]);
}

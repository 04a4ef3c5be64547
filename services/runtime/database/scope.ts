// Whose rows a transaction may see and write. The database is told as the transaction begins, and forgets it with its end, so
// that a connection serves one tenant after the other, also behind a pooler that lends it by the transaction.
import { sql, type RawBuilder, type Transaction } from "kysely";
import pg from "pg";
import { currentRequest } from "../request-context.ts";

/** Answers the statement that goes with BEGIN. */
export type Scope = () => string;

/**
 * The tenant of the request or event. Throws where there is none: that is a mistake of ours, and an answer without rows would
 * hide it. The tenant "" is no shop's, and sees nothing.
 */
export const tenantOfRequest: Scope = () => `set local ordermesh.tenant = ${pg.escapeLiteral(currentRequest().tenant)}`;

/** All tenants, for work that is no tenant's. */
export const everyTenant: Scope = () => "set local ordermesh.system = 'on'";

/**
 * From here on the transaction sees and writes rows of this tenant only. It travels with what comes next. Whatever the
 * transaction has begun for another tenant must be answered.
 */
export async function actFor<Tables>(tx: Transaction<Tables>, tenant: string): Promise<void> {
  await sayAtOnce(tx, sql`select set_config('ordermesh.tenant', ${tenant}, true), set_config('ordermesh.system', 'off', true)`);
}

/** From here on the transaction, which was begun for all tenants, is for all of them again. */
export async function actForAll<Tables>(tx: Transaction<Tables>): Promise<void> {
  await sayAtOnce(tx, sql`select set_config('ordermesh.system', ${"on"}, true)`);
}

/** Given to the connection here and now, so that nothing that comes later can be before it. Where it fails, so does what follows. */
async function sayAtOnce<Tables>(tx: Transaction<Tables>, statement: RawBuilder<unknown>): Promise<void> {
  const connection = await tx.getExecutor().provideConnection((provided) => Promise.resolve(provided));
  connection.executeQuery(statement.compile(tx)).catch(() => {});
}

/** What belongs to each tenant, tenants in one order everywhere: who locks rows of several waits for nobody in a circle. */
export function byTenant<Item>(items: readonly Item[], tenantOf: (item: Item) => string): [tenant: string, own: Item[]][] {
  const groups = [...Map.groupBy(items, tenantOf)];
  return groups.length < 2 ? groups : groups.toSorted(([one], [other]) => (one < other ? -1 : 1));
}

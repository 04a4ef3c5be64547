// The installation's own tenant is one like the others: made at the first start, and told of, so that it is made ready as they are.
import { announceTenants } from "../events/tenants.ts";
import { insertTenant } from "../store/tenants.ts";
import { readNow } from "../store/time.ts";
import type { IdentityDeps } from "./deps.ts";

/** Once a process. Tells also of tenants that a migration has found in the tables of an older version. */
export async function registerTenants({ transaction, home }: Pick<IdentityDeps, "transaction" | "home">): Promise<void> {
  await transaction(async (tx) => {
    const now = await readNow(tx);
    await insertTenant(tx, { tenantId: home, title: "", requestId: null, operatorId: null, createTime: now });
    await announceTenants(tx, now);
  });
}

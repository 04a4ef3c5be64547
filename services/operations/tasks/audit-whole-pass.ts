// All pages of all walks that prove something, in the books of all tenants: for somebody who waits.
import { holdLease } from "#runtime/lease/lease-store.ts";
import { beginPass, restartWalks } from "../store/audit/passes.ts";
import { readAudited } from "../store/audit/tenants.ts";
import { stepWalk, type Stepping } from "./audit-step.ts";
import type { AuditWalks, Walk } from "./audit-walks.ts";

/** Tenants whose walks begin anew in one transaction. */
const tenantsAPage = 100;

/** The walks that are not at their end, by tenant. */
type Left = Map<string, Set<Walk>>;

const proving = (walks: readonly Walk[]): Walk[] => walks.filter(({ kind }) => kind === "proves");

/** From their beginning, as far as there is time. Tenants have their pages in turn: who has few does not wait for who has many. */
export async function wholePass(step: Stepping, { walks, isOver }: { walks: AuditWalks; isOver: () => boolean }): Promise<void> {
  const left = await beginAnew(step, walks);
  while (left.size > 0 && !isOver()) {
    for (const [tenant, own] of left) {
      if (isOver()) return;
      const ends = await Promise.all([...own].map(async (walk) => ({ walk, end: await stepWalk(step, { tenant, walk }) })));
      for (const { walk, end } of ends) if (end !== "more") own.delete(walk);
      if (own.size === 0) left.delete(tenant);
    }
  }
}

async function beginAnew({ runtime, settings, lease }: Stepping, walks: AuditWalks): Promise<Left> {
  const [ofTenant, ofInstallation] = [proving(walks.ofTenant), proving(walks.ofInstallation)];
  const left: Left = new Map([[settings.home, new Set(ofInstallation)]]);
  const now = runtime.clock.now();
  const restart = (tenants: readonly string[], some: readonly Walk[]): Promise<void> =>
    runtime.transaction(async (tx) => {
      await holdLease(tx, lease);
      await restartWalks(tx, { tenants, walks: some.map(({ name }) => name), now });
    });
  await runtime.transaction(async (tx) => {
    await holdLease(tx, lease);
    await beginPass(tx, now);
  });
  await restart([settings.home], ofInstallation);
  for (let after = "", more = true; more;) {
    const tenants = await readAudited(runtime.db, { after, rowsMax: tenantsAPage });
    await restart(tenants, ofTenant);
    for (const tenant of tenants) left.set(tenant, new Set([...ofTenant, ...(left.get(tenant) ?? [])]));
    more = tenants.length === tenantsAPage;
    after = tenants.at(-1) ?? after;
  }
  return left;
}

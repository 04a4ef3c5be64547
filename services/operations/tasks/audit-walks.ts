// Everything that the auditor goes through, and which checks each walk proves. What a walk asks of services it asks for the tenant
// of the context that it runs in.
import type { ServiceRuntime } from "#runtime/service.ts";
import { checksOf, type InstallationWalkName, type TenantWalkName, type WalkName } from "../domain/audit.ts";
import type { OperationsTables } from "../store/tables.ts";
import { booksReader } from "./audit-books.ts";
import { eventWalks } from "./audit-events.ts";
import { heldWalks } from "./audit-held.ts";
import { orderWalks } from "./audit-orders.ts";
import { ownBooks } from "./audit-own.ts";
import type { AuditPage, AuditPlace } from "./audit-page.ts";
import type { AuditSettings } from "./audit-settings.ts";

export interface Walk {
  name: string;
  checks: readonly string[];
  /** Proves its checks when it comes to its end; follows what is new; or only looks more often at what is not final. */
  kind: "proves" | "follows" | "repeats";
  page(place: AuditPlace): Promise<AuditPage>;
}

export interface AuditWalks {
  /** Through the books of each tenant. */
  ofTenant: Walk[];
  /** Through what is of the whole installation. */
  ofInstallation: Walk[];
  /** Looks again at orders of a tenant that are under suspicion. */
  again(tenant: string, orderIds: string[]): Promise<Pick<AuditPage, "findings" | "problems">>;
}

type Runtime = Pick<ServiceRuntime<OperationsTables>, "db" | "client" | "clientOf" | "clock">;

export function auditWalks(runtime: Runtime, settings: AuditSettings): AuditWalks {
  const books = booksReader(runtime);
  const own = ownBooks(runtime);
  const orders = orderWalks(runtime, books, settings);
  const held = heldWalks(runtime, books, settings);
  const events = eventWalks(runtime, settings);
  const pages: Record<TenantWalkName, Walk["page"]> = {
    ...own,
    orders: orders.all,
    holds: held.holds,
    held_payments: held.heldPayments,
    sequences: events.sequences,
  };
  const { deliveries, tenants } = events;
  const ofInstallation: Record<InstallationWalkName, Walk["page"]> = { deliveries, tenants };
  return {
    ofInstallation: proving(ofInstallation),
    ofTenant: [
      ...proving(pages),
      { name: "orders_newest", checks: checksOf("orders"), kind: "follows", page: orders.all },
      { name: "orders_open", checks: checksOf("orders"), kind: "repeats", page: orders.open },
    ],
    again: orders.again,
  };
}

function proving<Name extends WalkName>(pages: Record<Name, Walk["page"]>): Walk[] {
  return (Object.entries(pages) as [Name, Walk["page"]][]).map(([name, page]) => ({
    name,
    checks: checksOf(name),
    kind: "proves",
    page,
  }));
}

// Everything that the auditor goes through, and which checks each walk proves.
import type { ServiceRuntime } from "#runtime/service.ts";
import { checksOf, type WalkName } from "../domain/audit.ts";
import type { OperationsTables } from "../store/tables.ts";
import { booksReader } from "./audit-books.ts";
import { eventWalks } from "./audit-events.ts";
import { heldWalks } from "./audit-held.ts";
import { orderWalks } from "./audit-orders.ts";
import { ownBooks } from "./audit-own.ts";
import type { AuditPage } from "./audit-page.ts";
import type { AuditSettings } from "./audit-settings.ts";

export interface Walk {
  name: string;
  checks: readonly string[];
  /** Proves its checks when it comes to its end; follows what is new; or only looks more often at what is not final. */
  kind: "proves" | "follows" | "repeats";
  page(pageToken: string): Promise<AuditPage>;
}

export interface AuditWalks {
  walks: Walk[];
  /** Looks again at orders under suspicion. */
  again(orderIds: string[]): Promise<Pick<AuditPage, "findings" | "problems">>;
}

type Runtime = Pick<ServiceRuntime<OperationsTables>, "db" | "client" | "clientOf" | "clock">;

export function auditWalks(runtime: Runtime, settings: AuditSettings): AuditWalks {
  const books = booksReader(runtime);
  const own = ownBooks(runtime);
  const orders = orderWalks(runtime, books, settings);
  const held = heldWalks(runtime, books, settings);
  const events = eventWalks(runtime, settings);
  const pages: Record<WalkName, Walk["page"]> = {
    ...own,
    orders: orders.all,
    holds: held.holds,
    held_payments: held.heldPayments,
    ...events,
  };
  const proving = (Object.keys(pages) as WalkName[]).map(
    (name): Walk => ({ name, checks: checksOf(name), kind: "proves", page: pages[name] }),
  );
  return {
    walks: [
      ...proving,
      { name: "orders_newest", checks: checksOf("orders"), kind: "follows", page: orders.all },
      { name: "orders_open", checks: checksOf("orders"), kind: "repeats", page: orders.open },
    ],
    again: orders.again,
  };
}

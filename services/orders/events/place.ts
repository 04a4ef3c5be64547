// Commits concurrent placements in groups: orders, their first event and their deadline, in one transaction.
import type { Transaction } from "kysely";
import type { AuditEntry } from "#runtime/audit-log/entry.ts";
import { appendEntries } from "#runtime/audit-log/record.ts";
import { actFor, byTenant } from "#runtime/database/scope.ts";
import { crashPoint } from "#runtime/faults.ts";
import { createGroup, GroupFull, type Group } from "#runtime/group.ts";
import { isDatabaseUnavailable, unavailable } from "#runtime/errors.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import type { Cause } from "#runtime/events/outgoing.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { insertOrders, insertUnclaimed, isRequestClaimed, type NewOrder } from "../store/insert.ts";
import type { OrdersTables } from "../store/tables.ts";
import { expireKind, releaseKind } from "../store/audit.ts";
import { orderCreated } from "./build.ts";

export interface Placement {
  order: NewOrder;
  cause: Cause;
  /** Who placed it, for the audit log: by the time it is written the call is one of many. Undefined where it is nobody's call. */
  entry: AuditEntry | undefined;
}

/** "claimed": the request_id is another order's, which was there first. */
export type Placed = { kind: "inserted" } | { kind: "claimed" };

const groupMax = 200;
/** One is on its way to the disk while the next is being written. */
const commitsInFlightMax = 2;
const waitingMax = 2_000;

/** Those who place at the same moment may be of several tenants; each is written as its own. */
type Transacting = Pick<ServiceRuntime<OrdersTables>, "system">;

export function createPlacements(runtime: Transacting): Group<Placement, Placed> {
  const commits = createGroup<Placement, Placed>({
    isOfOne: (error) => !isDatabaseUnavailable(error),
    itemsMax: groupMax,
    inFlightMax: commitsInFlightMax,
    waitingMax,
    run: (group) => commitGroup(runtime, group),
  });
  return {
    add: (placement) =>
      commits.add(placement).catch((error: unknown) => {
        throw error instanceof GroupFull ? unavailable("order placement") : error;
      }),
  };
}

/**
 * Nothing is asked before it is written, so all of it and the commit are one way to the database. Where a request_id came before,
 * which is rare, nothing was written, and what is new is found first.
 */
async function commitGroup(runtime: Transacting, group: readonly Placement[]): Promise<Placed[]> {
  const placed = await commitNew(runtime, group).catch((error: unknown) => {
    if (isRequestClaimed(error)) return commitUnclaimed(runtime, group);
    throw error;
  });
  crashPoint("orders.place", "after_commit");
  return placed;
}

async function commitNew({ system }: Transacting, group: readonly Placement[]): Promise<Placed[]> {
  await system.transaction(async (tx) => {
    for (const [tenant, own] of byTenant(group, tenantOf)) {
      await actFor(tx, tenant);
      await insertOrders(tx, own.map(orderOf));
      await setOut(tx, own);
    }
    crashPoint("orders.place", "before_commit");
  });
  return group.map(() => ({ kind: "inserted" }));
}

async function commitUnclaimed({ system }: Transacting, group: readonly Placement[]): Promise<Placed[]> {
  return system.transaction(async (tx) => {
    const inserted = new Set<string>();
    for (const [tenant, own] of byTenant(group, tenantOf)) {
      await actFor(tx, tenant);
      const fresh = await insertUnclaimed(tx, own.map(orderOf));
      await setOut(
        tx,
        own.filter(({ order }) => fresh.has(order.orderId)),
      );
      for (const orderId of fresh) inserted.add(orderId);
    }
    return group.map(({ order }): Placed => ({ kind: inserted.has(order.orderId) ? "inserted" : "claimed" }));
  });
}

const orderOf = ({ order }: Placement): NewOrder => order;
const tenantOf = ({ order }: Placement): string => order.tenant;

/** The first event of each order and the end of its time, or the time at which both follow; and who placed it. */
async function setOut(tx: Transaction<OrdersTables>, group: readonly Placement[]): Promise<void> {
  await appendEvents(
    tx,
    group.flatMap(({ order, cause }) => (order.processAfter ? [] : [orderCreated(order, { time: order.createTime, cause })])),
    { going: "in_waves" },
  );
  await planDue(
    tx,
    group.map(({ order, cause }) => ({
      kind: order.processAfter ? releaseKind : expireKind,
      tenant: order.tenant,
      key: order.orderId,
      due: order.processAfter ? { at: order.processAfter } : { inMs: order.expireTime.getTime() - order.createTime.getTime() },
      cause,
    })),
  );
  await appendEntries(
    tx,
    group.flatMap(({ entry }) => entry ?? []),
  );
}

// Commits concurrent placements in groups: orders, their first event and their deadline, in one transaction.
import { crashPoint } from "#runtime/faults.ts";
import { createGroup, GroupFull, type Group } from "#runtime/group.ts";
import { isDatabaseUnavailable, unavailable } from "#runtime/errors.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import type { Cause } from "#runtime/events/outgoing.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { insertOrders, insertParts, type NewOrder } from "../store/insert.ts";
import type { OrdersTables } from "../store/tables.ts";
import { expireKind } from "../store/audit.ts";
import { orderCreated, type Screening } from "./build.ts";

export interface Placement {
  order: NewOrder;
  screening: Screening;
  cause: Cause;
}

/** "claimed": the request_id is another order's, which was there first. */
export type Placed = { kind: "inserted" } | { kind: "claimed" };

const groupMax = 200;
/** One is on its way to the disk while the next is being written. */
const commitsInFlightMax = 2;
const waitingMax = 2_000;

export function createPlacements(runtime: Pick<ServiceRuntime<OrdersTables>, "transaction">): Group<Placement, Placed> {
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

async function commitGroup(
  runtime: Pick<ServiceRuntime<OrdersTables>, "transaction">,
  group: readonly Placement[],
): Promise<Placed[]> {
  const placed = await runtime.transaction(async (tx) => {
    const inserted = await insertOrders(
      tx,
      group.map(({ order }) => order),
    );
    const fresh = group.filter(({ order }) => inserted.has(order.orderId));
    // None needs another's answer, so they travel together.
    if (fresh.length > 0)
      await Promise.all([
        insertParts(
          tx,
          fresh.map(({ order }) => order),
        ),
        appendEvents(
          tx,
          fresh.map(({ order, screening, cause }) => orderCreated(order, screening, cause)),
        ),
        planDue(
          tx,
          fresh.map(({ order, cause }) => ({
            kind: expireKind,
            tenant: order.tenant,
            key: order.orderId,
            due: { inMs: order.expireTime.getTime() - order.createTime.getTime() },
            cause,
          })),
        ),
      ]);
    crashPoint("orders.place", "before_commit");
    return group.map(({ order }): Placed => ({ kind: inserted.has(order.orderId) ? "inserted" : "claimed" }));
  });
  crashPoint("orders.place", "after_commit");
  return placed;
}

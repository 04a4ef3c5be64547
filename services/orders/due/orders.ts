// Begins orders whose time has come, ends those whose time is over, and takes erased customers out of their orders.
import type { Transaction } from "kysely";
import type { Clock } from "#runtime/clock.ts";
import type { Logger } from "#runtime/log.ts";
import { dueWork, planDue, type DueItem, type DueWork } from "#runtime/schedule/due-work.ts";
import { cancel, release } from "../domain/facts.ts";
import { announceAndSave } from "../events/announce.ts";
import type { Announced } from "../events/announced.ts";
import { eraseFinal, planErasures } from "../events/erase.ts";
import { expireKind, releaseKind } from "../store/audit.ts";
import { eraseKind, rememberErased, withoutErased } from "../store/erasures.ts";
import { keyOf, lockOrders, type LockedOrder } from "../store/progress.ts";
import type { OrdersTables } from "../store/tables.ts";

/** By keyOf. */
const lockOrdersOf = (tx: Transaction<OrdersTables>, items: readonly { item: DueItem }[]): Promise<Map<string, LockedOrder>> =>
  lockOrders(
    tx,
    items.map(({ item }) => ({ tenant: item.tenant, orderId: item.key })),
  );

/** From now on an order is like one that was placed now, but for its prices. */
export function releasing({ clock, log }: { clock: Clock; log: Logger }, { orderLifeMs }: { orderLifeMs: number }): DueWork {
  return dueWork<OrdersTables>({
    kind: releaseKind,
    apply: async (tx, items) => {
      const now = clock.now();
      const orders = await lockOrdersOf(tx, items);
      const announced: Announced[] = [];
      for (const { item } of items) {
        const order = orders.get(keyOf({ tenant: item.tenant, orderId: item.key }));
        // One that was cancelled meanwhile: its row was read before that removed it.
        const change = order && release(order.progress, now);
        if (!change) continue;
        order.progress = change.progress;
        order.expireTime = new Date(now.getTime() + orderLifeMs);
        announced.push(...change.announcements.map((announcement) => ({ order, announcement, cause: item.cause })));
        log.info({ orderId: order.orderId }, "order_released");
      }
      await announceAndSave(tx, { changed: announced.map(({ order }) => order), announced, now });
      await planDue(
        tx,
        announced.map(({ order: { tenant, orderId: key }, cause }) => ({
          kind: expireKind,
          tenant,
          key,
          due: { inMs: orderLifeMs },
          cause,
        })),
      );
    },
  });
}

export function expiry({ clock, log }: { clock: Clock; log: Logger }): DueWork {
  return dueWork<OrdersTables>({
    kind: expireKind,
    apply: async (tx, items) => {
      const now = clock.now();
      const orders = await lockOrdersOf(tx, items);
      const announced: Announced[] = [];
      for (const { item } of items) {
        const order = orders.get(keyOf({ tenant: item.tenant, orderId: item.key }));
        // Anything but pending was settled in time; its row was read before that settled.
        if (order?.progress.state !== "pending") continue;
        const outcome = cancel(order.progress, { time: now, reason: "EXPIRED", detail: "", shipmentStopped: false });
        if (outcome.kind !== "cancelled") continue;
        order.progress = outcome.progress;
        announced.push(...outcome.announcements.map((announcement) => ({ order, announcement, cause: item.cause })));
        log.info({ orderId: order.orderId }, "order_expired");
      }
      await announceAndSave(tx, { changed: announced.map(({ order }) => order), announced, now });
    },
  });
}

/**
 * At first the customer is remembered as erased, in a transaction that locks nothing else; then its orders that were final before
 * are gone through. Those that become final later are erased as they do.
 */
export function erasing({ clock }: { clock: Clock }): DueWork {
  return dueWork<OrdersTables>({
    kind: eraseKind,
    apply: async (tx, items) => {
      const now = clock.now();
      const customers = items.map(({ item }) => ({ tenant: item.tenant, customerId: item.key, cause: item.cause }));
      const unknown = await withoutErased(tx, customers);
      if (unknown.length > 0) await rememberErased(tx, unknown, now);
      for (const { cause, ...customer } of customers) {
        const isMore = unknown.length > 0 || (await eraseFinal(tx, customer, { now, cause }));
        if (isMore) await planErasures(tx, [{ ...customer, cause }]);
      }
    },
  });
}

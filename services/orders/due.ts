// Ends orders whose time is over.
import type { Clock } from "#runtime/clock.ts";
import type { Logger } from "#runtime/log.ts";
import { dueWork, type DueWork } from "#runtime/schedule/due-work.ts";
import { cancel } from "./domain/facts.ts";
import { announceAndSave, type Announced } from "./events/announce.ts";
import { expireKind } from "./store/audit.ts";
import { keyOf, lockOrders } from "./store/progress.ts";
import type { OrdersTables } from "./store/tables.ts";

export function expiry({ clock, log }: { clock: Clock; log: Logger }): DueWork {
  return dueWork<OrdersTables>({
    kind: expireKind,
    apply: async (tx, items) => {
      const now = clock.now();
      const orders = await lockOrders(
        tx,
        items.map(({ item }) => ({ tenant: item.tenant, orderId: item.key })),
      );
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

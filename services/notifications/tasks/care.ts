// Removes what is kept long enough, from time to time, in one instance of the service at once.
import { holdLease } from "#runtime/lease/lease-store.ts";
import type { BackgroundTask, ServiceRuntime } from "#runtime/service.ts";
import { createWakeUp } from "#runtime/wake-up.ts";
import { deleteExpired } from "../store/expired.ts";
import type { NotificationsTables } from "../store/tables.ts";

const everyMs = 600_000;
/** Far above the age at which a fact is told of no more, so that none is told of twice. */
const keepMs = 90 * 86_400_000;
/** What can be replayed. */
const keepDeliveriesMs = 30 * 86_400_000;
/** Rows of each table that one transaction removes; the next comes at once where there are more. */
const rowsMax = 1_000;

export function careTask({ system, inBackground, clock }: ServiceRuntime<NotificationsTables>): BackgroundTask {
  return {
    name: "care",
    run: async (_bus, lease, signal) => {
      const pause = createWakeUp();
      while (!signal.aborted) {
        const nowMs = clock.now().getTime();
        const before = new Date(nowMs - keepMs);
        const deliveriesBefore = new Date(nowMs - keepDeliveriesMs);
        const isMore = await inBackground(() =>
          system.transaction(async (tx) => {
            await holdLease(tx, lease);
            return deleteExpired(tx, { before, deliveriesBefore, rowsMax });
          }),
        );
        if (!isMore) await pause.wait(everyMs, signal);
      }
    },
  };
}

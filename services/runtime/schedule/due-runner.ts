// Does due work when it is due: wakes at the next due time, not by asking again and again.
import type { Kysely } from "kysely";
import type { Clock } from "../clock.ts";
import type { BatchDatabase } from "../events/handle-batch.ts";
import type { LeasedTask } from "../lease/lease-keeper.ts";
import type { Logger } from "../log.ts";
import { runInContext } from "../request-context.ts";
import type { WakeUp } from "../wake-up.ts";
import { claimDue, completeDue, nextDueTime, postponeDue, type ClaimedItem } from "./due-store.ts";
import type { DueWork } from "./due-work.ts";

const claimMax = 100;
/** In case that another process plans work, whose wake-up does not reach this one. */
const sleepMsMax = 1_000;
const retryMsMax = 60_000;

/** 1 s, 2 s, 4 s and so on, up to a minute. */
export const dueRetryDelayMs = (attempt: number): number => Math.min(1_000 * 2 ** Math.min(attempt - 1, 10), retryMsMax);

export function dueTask<Tables>(options: {
  db: Kysely<Tables>;
  database: BatchDatabase;
  works: readonly DueWork[];
  wakeUp: WakeUp;
  clock: Clock;
  log: Logger;
}): LeasedTask {
  const { db, database, works, wakeUp, clock, log } = options;
  const byKind = new Map(works.map((work) => [work.kind, work]));
  if (byKind.size !== works.length) throw new Error("two due works have the same kind");
  const kinds = [...byKind.keys()];

  const complete = async (work: DueWork, items: readonly ClaimedItem[]): Promise<void> => {
    const [first] = items;
    if (!first) return;
    const context = { requestId: first.causeId, traceparent: first.traceparent, tenant: first.tenant };
    try {
      await runInContext(context, () => completeDue(database, work, items));
    } catch (error) {
      if (items.length > 1) {
        // One that fails must not hold up the others.
        await Promise.all(items.map((item) => complete(work, [item])));
        return;
      }
      const delayMs = dueRetryDelayMs(first.attempt);
      log.warn(
        { kind: work.kind, key: first.key, attempt: first.attempt, delayMs, error: (error as Error).message },
        "due_work_failed",
      );
      await postponeDue(db, items, new Date(clock.now().getTime() + delayMs));
    }
  };

  const inFlight = new Set<Promise<void>>();
  return {
    name: "due_work",
    run: async (_lease, signal) => {
      while (!signal.aborted) {
        const free = claimMax - inFlight.size;
        const claimed = free > 0 ? await claimDue(db, { kinds, now: clock.now(), itemsMax: free }) : [];
        for (const [kind, items] of Map.groupBy(claimed, (item) => item.kind)) {
          const work = byKind.get(kind);
          if (!work) continue;
          // Work that calls out may be slow, so each item goes alone; the rest is quick and goes as one set.
          const sets = work.prepare ? items.map((item) => [item]) : [items];
          for (const set of sets) {
            const doing: Promise<void> = complete(work, set)
              .catch((error: unknown) => log.warn({ kind, error: (error as Error).message }, "due_work_postponed"))
              .finally(() => {
                inFlight.delete(doing);
                wakeUp.wake();
              });
            inFlight.add(doing);
          }
        }
        if (claimed.length > 0 && claimed.length === free) continue;
        const next = await nextDueTime(db, kinds);
        const sleepMs = next ? next.getTime() - clock.now().getTime() : sleepMsMax;
        await wakeUp.wait(Math.min(Math.max(sleepMs, 1), sleepMsMax), signal);
      }
      await Promise.all(inFlight);
    },
  };
}

// Does due work when it is due: wakes at the next due time, not by asking again and again.
import type { Kysely } from "kysely";
import type { Clock } from "../clock.ts";
import { createGroupCommit } from "../group-commit.ts";
import type { BatchDatabase } from "../events/handle-batch.ts";
import type { LeasedTask } from "../lease/lease-keeper.ts";
import type { Logger } from "../log.ts";
import { runInContext } from "../request-context.ts";
import type { WakeUp } from "../wake-up.ts";
import { applyDue, claimDue, postponeDue, prepareDue, type ClaimedItem, type PreparedItem } from "./due-store.ts";
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

  /** Items whose calls come back at the same time are committed together. */
  const appliers = new Map(
    works.map((work) => [
      work.kind,
      createGroupCommit<PreparedItem, void>({
        commit: async (items) => {
          await inContextOf(items[0]?.row, () => applyDue(database, work, items));
          return items.map(() => undefined);
        },
        itemsMax: claimMax,
        commitsInFlightMax: 1,
        waitingMax: claimMax,
      }),
    ]),
  );

  const complete = async (work: DueWork, row: ClaimedItem): Promise<void> => {
    try {
      const prepared = await inContextOf(row, () => prepareDue(work, row));
      await appliers
        .get(work.kind)
        ?.add(prepared)
        // One that fails must not hold up the others: alone, it fails alone.
        .catch(() => inContextOf(row, () => applyDue(database, work, [prepared])));
    } catch (error) {
      const delayMs = dueRetryDelayMs(row.attempt);
      log.warn(
        { kind: work.kind, key: row.key, attempt: row.attempt, delayMs, error: (error as Error).message },
        "due_work_failed",
      );
      await postponeDue(db, [row], new Date(clock.now().getTime() + delayMs));
    }
  };

  const inFlight = new Set<Promise<void>>();
  const begin = (row: ClaimedItem): void => {
    const work = byKind.get(row.kind);
    if (!work) return;
    const doing: Promise<void> = complete(work, row)
      .catch((error: unknown) => log.warn({ kind: row.kind, error: (error as Error).message }, "due_work_not_postponed"))
      .finally(() => {
        inFlight.delete(doing);
        // Only where the claim was cut short is there more to take now.
        if (inFlight.size === claimMax - 1) wakeUp.wake();
      });
    inFlight.add(doing);
  };

  return {
    name: "due_work",
    run: async (_lease, signal) => {
      while (!signal.aborted) {
        const free = claimMax - inFlight.size;
        if (free === 0) {
          await wakeUp.wait(sleepMsMax, signal);
          continue;
        }
        const now = clock.now();
        const { claimed, nextTime } = await claimDue(db, { kinds, now, itemsMax: free });
        for (const row of claimed) begin(row);
        const sleepMs = nextTime ? nextTime.getTime() - clock.now().getTime() : sleepMsMax;
        await wakeUp.wait(Math.min(Math.max(sleepMs, 1), sleepMsMax), signal);
      }
      await Promise.all(inFlight);
    },
  };
}

function inContextOf<Result>(row: ClaimedItem | undefined, work: () => Promise<Result>): Promise<Result> {
  if (!row) return work();
  return runInContext({ requestId: row.causeId, traceparent: row.traceparent, tenant: row.tenant }, work);
}

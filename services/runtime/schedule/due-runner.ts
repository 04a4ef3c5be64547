// Does due work when it is due: wakes at the next due time, not by asking again and again.
import { setTimeout as sleep } from "node:timers/promises";
import type { Kysely } from "kysely";
import type { Background } from "../background.ts";
import { isDatabaseUnavailable } from "../errors.ts";
import { crashPoint } from "../faults.ts";
import { createGroup } from "../group.ts";
import type { BatchDatabase } from "../events/handle-batch.ts";
import type { LeasedTask } from "../lease/lease-keeper.ts";
import type { Logger } from "../log.ts";
import type { WakeUp } from "../wake-up.ts";
import { applyDue, claimDue, dueItem, postponeDue, prepareDue, type ClaimedItem, type PreparedItem } from "./due-store.ts";
import type { DueWork } from "./due-work.ts";

export const dueTaskName = "due_work";
const claimMax = 50;
/** Where a kind has so many under way, no more of it is claimed; it may have up to one claim more. */
const inFlightMaxOfKind = 100;
const stopGraceMs = 3_000;
/** In case that a wake-up of another process is lost. */
export const sleepMsMax = 1_000;
const retryMsMax = 60_000;

/** 1 s, 2 s, 4 s and so on, up to a minute. */
export const dueRetryDelayMs = (attempt: number): number => Math.min(1_000 * 2 ** Math.min(attempt - 1, 10), retryMsMax);

export function dueTask<Tables>(options: {
  db: Kysely<Tables>;
  database: BatchDatabase;
  works: readonly DueWork[];
  wakeUp: WakeUp;
  background: Background;
  log: Logger;
}): LeasedTask {
  const { db, database, works, wakeUp, background, log } = options;
  const byKind = new Map(works.map((work) => [work.kind, work]));
  if (byKind.size !== works.length) throw new Error("two due works have the same kind");
  const kinds = [...byKind.keys()];

  /** Items whose calls come back at the same time are committed together. */
  const appliers = new Map(
    works.map((work) => [
      work.kind,
      createGroup<PreparedItem, void>({
        run: async (items) => {
          await applyDue(database, work, items);
          crashPoint(work.kind, "after_commit");
          return items.map(() => undefined);
        },
        isOfOne: (error) => !isDatabaseUnavailable(error),
        itemsMax: claimMax,
        inFlightMax: 1,
        waitingMax: inFlightMaxOfKind + claimMax,
        takeTurn: background.run,
      }),
    ]),
  );

  const complete = async (work: DueWork, row: ClaimedItem): Promise<void> => {
    try {
      const prepared = await prepareDue(work, row);
      crashPoint(work.kind, "after_provider");
      await appliers.get(work.kind)?.add(prepared);
    } catch (error) {
      const delayMs = dueRetryDelayMs(row.attempt);
      log.warn(
        { kind: work.kind, key: row.key, attempt: row.attempt, delayMs, error: (error as Error).message },
        "due_work_failed",
      );
      await postponeDue(db, [row], delayMs);
      await work.failed?.(dueItem(row), error as Error);
    }
  };

  const inFlight = new Map<string, Set<Promise<void>>>(kinds.map((kind) => [kind, new Set()]));
  const begin = (row: ClaimedItem): void => {
    const work = byKind.get(row.kind);
    const beside = inFlight.get(row.kind);
    if (!work || !beside) return;
    const doing: Promise<void> = complete(work, row)
      .catch((error: unknown) => log.warn({ kind: row.kind, error: (error as Error).message }, "due_work_not_postponed"))
      .finally(() => {
        beside.delete(doing);
        // Only where its kind had no place left may there be more to take now.
        if (beside.size === inFlightMaxOfKind - 1) wakeUp.wake();
      });
    beside.add(doing);
  };

  return {
    name: dueTaskName,
    run: async (_lease, signal) => {
      while (!signal.aborted) {
        // Slow calls of one kind must not take the places of the others.
        const open = kinds.filter((kind) => (inFlight.get(kind)?.size ?? 0) < inFlightMaxOfKind);
        if (open.length === 0) {
          await wakeUp.wait(sleepMsMax, signal);
          continue;
        }
        const { claimed, nextInMs = sleepMsMax } = await background.run(() => claimDue(db, { kinds: open, itemsMax: claimMax }));
        for (const row of claimed) begin(row);
        await wakeUp.wait(Math.min(Math.max(nextInMs, 1), sleepMsMax), signal);
      }
      // What takes longer is left: it is claimed again by whoever comes, under the same idempotency keys.
      const ending = [...inFlight.values()].flatMap((items) => [...items]);
      await Promise.race([Promise.all(ending), sleep(stopGraceMs, undefined, { ref: false })]);
    },
  };
}

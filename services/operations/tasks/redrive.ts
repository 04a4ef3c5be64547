// Sends letters again, in sequence, and sees to it that they come to an end. All it knows stands in rows, so that
// whoever takes over goes on.
import type { BackgroundTask, ServiceRuntime } from "#runtime/service.ts";
import type { Bus } from "#runtime/events/bus.ts";
import { holdLease, type Lease } from "#runtime/lease/lease-store.ts";
import type { WakeUp } from "#runtime/wake-up.ts";
import { resolveLetters } from "../store/letters/outcomes.ts";
import {
  askFollowers,
  markSent,
  postponeChecks,
  putOff,
  readToCheck,
  readToSend,
  sendOnceMore,
  type LetterToCheck,
} from "../store/letters/sending.ts";
import { takeTurn } from "../store/letters/turn.ts";
import type { OperationsTables } from "../store/tables.ts";
import { checkEvents, isHandled } from "./check-events.ts";
import { sendLetters } from "./send-letters.ts";

/** How often to look without being woken: a redrive may be asked for in another process. */
const lookEveryMs = 2_000;
/** Without an outcome for so long, a message may have been lost with its stream. */
const lostAfterMs = 600_000;

/** A service that is away is told of so often, not at each question. */
const warnEveryMs = 60_000;

interface Redriving {
  /** When each absent service was last told of. By performance.now(). */
  warnedMs: Map<string, number>;
  runtime: ServiceRuntime<OperationsTables>;
  bus: Bus;
  lease: Lease;
}

export function redriveTask(runtime: ServiceRuntime<OperationsTables>, wakeUp: WakeUp): BackgroundTask {
  const sentTotal = runtime.metrics.counter("ordermesh_redrives_sent_total", "Dead letters sent again or told as given up", [
    "kind",
  ]);
  const resolvedTotal = runtime.metrics.counter("ordermesh_redrives_resolved_total", "Dead letters handled after all");
  return {
    name: "redrive",
    run: async (bus, lease, signal) => {
      const redriving = { runtime, bus, lease, warnedMs: new Map<string, number>() };
      while (!signal.aborted) {
        const { resolved, nextTime } = await follow(redriving);
        resolvedTotal.inc(resolved);
        const asked = await prepare(redriving);
        const sent = await send(redriving, sentTotal);
        // More may be free now: what waited for a letter that has come to its end, or did not fit.
        if (resolved > 0 || asked > 0 || sent > 0) continue;
        const untilNextMs = nextTime ? nextTime.getTime() - runtime.clock.now().getTime() : lookEveryMs;
        await wakeUp.wait(Math.min(Math.max(untilNextMs, 10), lookEveryMs), signal);
      }
    },
  };
}

/** Asks what became of the letters that were sent. */
async function follow({ runtime, lease, warnedMs }: Redriving): Promise<{ resolved: number; nextTime: Date | undefined }> {
  const { letters, nextTime } = await readToCheck(runtime.db, runtime.clock.now());
  if (letters.length === 0) return { resolved: 0, nextTime };
  const handled: LetterToCheck[] = [];
  const others: LetterToCheck[] = [];
  for (const [service, ofService] of Map.groupBy(letters, (letter) => letter.service)) {
    try {
      const checked = await checkEvents(runtime, service, ofService);
      for (const letter of ofService) (isHandled(checked.get(letter.eventId)) ? handled : others).push(letter);
    } catch (error) {
      if (performance.now() - (warnedMs.get(service) ?? -warnEveryMs) >= warnEveryMs) {
        warnedMs.set(service, performance.now());
        runtime.log.warn({ service, error: (error as Error).message }, "redrive_without_service");
      }
      others.push(...ofService);
    }
  }
  return runtime.transaction(async (tx) => {
    await holdLease(tx, lease);
    await takeTurn(tx);
    const now = runtime.clock.now();
    await postponeChecks(tx, others, now);
    const ids = handled.map(({ letterId }) => letterId);
    return { resolved: await resolveLetters(tx, ids, now), nextTime: new Date(now.getTime() + 100) };
  });
}

/** Marks what may go by itself. */
async function prepare({ runtime, lease }: Redriving): Promise<number> {
  return runtime.transaction(async (tx) => {
    await holdLease(tx, lease);
    await takeTurn(tx);
    const now = runtime.clock.now();
    const again = await sendOnceMore(tx, { before: new Date(now.getTime() - lostAfterMs) });
    return again + (await askFollowers(tx, now));
  });
}

async function send(
  { runtime, bus, lease }: Redriving,
  total: ReturnType<typeof runtime.metrics.counter<"kind">>,
): Promise<number> {
  const letters = await readToSend(runtime.db, runtime.clock.now());
  if (letters.length === 0) return 0;
  const { sent, gone } = await sendLetters({ runtime, bus }, letters);
  for (const { kind } of sent) total.inc({ kind });
  await runtime.transaction(async (tx) => {
    await holdLease(tx, lease);
    await takeTurn(tx);
    const now = runtime.clock.now();
    await markSent(tx, sent, now);
    const done = new Set(sent);
    await putOff(
      tx,
      letters.filter((letter) => !done.has(letter)),
      now,
    );
    await resolveLetters(tx, gone, now);
  });
  runtime.log.info({ letters: sent.length, failed: letters.length - sent.length }, "letters_sent");
  return sent.length;
}

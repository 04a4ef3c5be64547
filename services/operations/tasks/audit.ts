// The auditor: goes through the books of all services all the time, a page at a time, and at once where somebody asks.
import type { Bus } from "#runtime/events/bus.ts";
import { holdLease, type Lease } from "#runtime/lease/lease-store.ts";
import type { BackgroundTask, ServiceRuntime } from "#runtime/service.ts";
import type { WakeUp } from "#runtime/wake-up.ts";
import { readRequestTime, readWalk, restartWalk } from "../store/audit/passes.ts";
import type { OperationsTables } from "../store/tables.ts";
import { auditMetrics } from "./audit-metrics.ts";
import { readStreamPosition } from "./audit-position.ts";
import type { AuditSettings } from "./audit-settings.ts";
import { stepSuspects, stepWalk, type Stepping } from "./audit-step.ts";
import { auditWalks, type AuditWalks, type Walk } from "./audit-walks.ts";

/** Somebody may ask in another process, where nobody can wake us. */
const askedEveryMs = 500;
/** Whoever asks waits no longer than this. */
export const requestLifeMs = 10_000;

interface Auditing {
  runtime: ServiceRuntime<OperationsTables>;
  settings: AuditSettings;
  walks: AuditWalks;
  bus: Bus;
  lease: Lease;
  signal: AbortSignal;
}

export function auditorTask(
  runtime: ServiceRuntime<OperationsTables>,
  { settings, wakeUp }: { settings: AuditSettings; wakeUp: WakeUp },
): BackgroundTask {
  const metrics = auditMetrics(runtime);
  const walks = auditWalks(runtime, settings);
  return {
    name: "auditor",
    run: async (bus, lease, signal) => {
      // Whoever does not audit says nothing of the books.
      signal.addEventListener("abort", metrics.forget, { once: true });
      const auditing: Auditing = { runtime, settings, walks, bus, lease, signal };
      while (!signal.aborted) {
        const asked = await unansweredRequest(auditing);
        await (asked ? wholePass(auditing, asked) : round(auditing));
        if (!signal.aborted) await metrics.tell();
        await pause(auditing, wakeUp);
      }
    },
  };
}

const proving = ({ walks }: AuditWalks): Walk[] => walks.filter(({ kind }) => kind === "proves");

async function stepping({ runtime, settings, lease, bus }: Auditing): Promise<Stepping> {
  return { runtime, settings, lease, position: await readStreamPosition(bus) };
}

/** One page of each walk. */
async function round(auditing: Auditing): Promise<void> {
  const step = await stepping(auditing);
  for (const walk of auditing.walks.walks) {
    if (auditing.signal.aborted) return;
    await auditing.runtime.inBackground(() => stepWalk(step, walk));
  }
  await stepSuspects(step, auditing.walks);
}

/** All pages of all walks that prove something, from their beginning, as far as the time of the request allows. */
async function wholePass(auditing: Auditing, requestTime: Date): Promise<void> {
  const { runtime, lease, signal } = auditing;
  const step = await stepping(auditing);
  const left = new Set(proving(auditing.walks));
  await runtime.transaction(async (tx) => {
    await holdLease(tx, lease);
    for (const { name } of left) await restartWalk(tx, name, runtime.clock.now());
  });
  const isOver = (): boolean => signal.aborted || runtime.clock.now().getTime() - requestTime.getTime() > requestLifeMs;
  while (left.size > 0 && !isOver()) {
    const ends = await Promise.all([...left].map(async (walk) => ({ walk, end: await stepWalk(step, walk) })));
    for (const { walk, end } of ends) if (end !== "more") left.delete(walk);
  }
}

/** When a whole pass was asked for that has not begun since. */
async function unansweredRequest({ runtime, walks }: Auditing): Promise<Date | undefined> {
  const asked = await readRequestTime(runtime.db);
  const now = runtime.clock.now();
  if (!asked || now.getTime() - asked.getTime() > requestLifeMs) return undefined;
  const positions = await Promise.all(proving(walks).map(({ name }) => readWalk(runtime.db, name, new Date(0))));
  return positions.some(({ passTime }) => passTime < asked) ? asked : undefined;
}

async function pause(auditing: Auditing, wakeUp: WakeUp): Promise<void> {
  const endMs = performance.now() + auditing.settings.everyMs;
  while (!auditing.signal.aborted) {
    const leftMs = endMs - performance.now();
    if (leftMs <= 0 || (await unansweredRequest(auditing))) return;
    await wakeUp.wait(Math.min(askedEveryMs, leftMs), auditing.signal);
  }
}

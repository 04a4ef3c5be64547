// The auditor: goes through the books of all tenants all the time, a page at a time, and at once where somebody asks.
import type { Bus } from "#runtime/events/bus.ts";
import { holdLease, type Lease } from "#runtime/lease/lease-store.ts";
import type { BackgroundTask, ServiceRuntime } from "#runtime/service.ts";
import type { WakeUp } from "#runtime/wake-up.ts";
import { readOpenRequest } from "../store/audit/passes.ts";
import { noteTenants, takeTurns } from "../store/audit/tenants.ts";
import type { OperationsTables } from "../store/tables.ts";
import { auditMetrics } from "./audit-metrics.ts";
import { readStreamPosition } from "./audit-position.ts";
import type { AuditSettings } from "./audit-settings.ts";
import { stepSuspects, stepWalk, type Stepping } from "./audit-step.ts";
import { auditWalks, type AuditWalks } from "./audit-walks.ts";
import { wholePass } from "./audit-whole-pass.ts";

/** Somebody may ask in another process, where nobody can wake us. */
const askedEveryMs = 500;
/** Whoever asks waits no longer than this. */
export const requestLifeMs = 10_000;
/**
 * Tenants that have their turn between two pauses, a page of each walk: whoever has more pages waits for the next turn, and whoever
 * has few is through. With more tenants than these a turn comes later, and no more work is done at once.
 */
const tenantsARound = 25;

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
  const metrics = auditMetrics(runtime, settings);
  const walks = auditWalks(runtime, settings);
  return {
    name: "auditor",
    run: async (bus, lease, signal) => {
      // Whoever does not audit says nothing of the books.
      signal.addEventListener("abort", metrics.forget, { once: true });
      const auditing: Auditing = { runtime, settings, walks, bus, lease, signal };
      await noteHome(auditing);
      while (!signal.aborted) {
        const asked = await unansweredRequest(runtime);
        await (asked ? answer(auditing, asked) : round(auditing));
        if (!signal.aborted) await metrics.tell();
        await pause(auditing, wakeUp);
      }
    },
  };
}

/** The installation's own tenant has books whether anything has happened in them or not. */
async function noteHome({ runtime, settings, lease }: Auditing): Promise<void> {
  await runtime.transaction(async (tx) => {
    await holdLease(tx, lease);
    await noteTenants(tx, [{ tenant: settings.home, isRegistered: false }]);
  });
}

async function stepping({ runtime, settings, lease, bus }: Auditing): Promise<Stepping> {
  return { runtime, settings, lease, position: await readStreamPosition(bus), saidToFail: new Set() };
}

/** One page of each walk, for those tenants whose turn it is. */
async function round(auditing: Auditing): Promise<void> {
  const { runtime, walks, settings, lease, signal } = auditing;
  const step = await stepping(auditing);
  const tenants = await runtime.transaction(async (tx) => {
    await holdLease(tx, lease);
    return takeTurns(tx, { now: runtime.clock.now(), rowsMax: tenantsARound });
  });
  const ofTenants = tenants.flatMap((tenant) => walks.ofTenant.map((walk) => ({ tenant, walk })));
  const ofInstallation = walks.ofInstallation.map((walk) => ({ tenant: settings.home, walk }));
  for (const one of [...ofTenants, ...ofInstallation]) {
    if (signal.aborted) return;
    await runtime.inBackground(() => stepWalk(step, one));
  }
  for (const tenant of tenants) await stepSuspects(step, { tenant, again: walks.again });
}

async function answer(auditing: Auditing, requestTime: Date): Promise<void> {
  const { runtime, signal } = auditing;
  const isOver = (): boolean => signal.aborted || runtime.clock.now().getTime() - requestTime.getTime() > requestLifeMs;
  await wholePass(await stepping(auditing), { walks: auditing.walks, isOver });
}

/** When a whole pass was asked for that has not begun since. */
async function unansweredRequest({ db, clock }: ServiceRuntime<OperationsTables>): Promise<Date | undefined> {
  const asked = await readOpenRequest(db);
  return asked && clock.now().getTime() - asked.getTime() <= requestLifeMs ? asked : undefined;
}

async function pause({ runtime, settings, signal }: Auditing, wakeUp: WakeUp): Promise<void> {
  const endMs = performance.now() + settings.everyMs;
  while (!signal.aborted) {
    const leftMs = endMs - performance.now();
    if (leftMs <= 0 || (await unansweredRequest(runtime))) return;
    await wakeUp.wait(Math.min(askedEveryMs, leftMs), signal);
  }
}

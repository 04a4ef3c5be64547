// One page of one walk: looked at, and written down under the lease.
import { Code, ConnectError } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import type { Cause } from "#runtime/events/outgoing.ts";
import { newId } from "#runtime/ids.ts";
import { holdLease, type Lease } from "#runtime/lease/lease-store.ts";
import { childTraceparent } from "#runtime/request-context.ts";
import { inServiceContext } from "#runtime/service-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { checksOf, isCertain, type Finding } from "../domain/audit.ts";
import { announceCleared, announceFound } from "../events/audit.ts";
import { dropSuspects, readSuspectKeys, saveFindings, type Seen, type Violation } from "../store/audit/findings.ts";
import { completeChecks, saveChecks } from "../store/audit/checks.ts";
import { readWalk, saveWalk, type WalkPosition } from "../store/audit/passes.ts";
import type { OperationsTables } from "../store/tables.ts";
import { auditPageSize, type AuditPage, type AuditPlace } from "./audit-page.ts";
import type { StreamPosition } from "./audit-position.ts";
import type { AuditSettings } from "./audit-settings.ts";
import type { AuditWalks, Walk } from "./audit-walks.ts";

/** However much is under way: what disagrees for so many times the grace is no passing disagreement. */
const gracesAtMost = 10;

export interface Stepping {
  runtime: Pick<ServiceRuntime<OperationsTables>, "db" | "transaction" | "clock" | "log">;
  settings: AuditSettings;
  lease: Lease;
  position: StreamPosition;
  /** Walks of which the log says already that they fail: one line, and not one for each tenant. */
  saidToFail: Set<string>;
}

/** A walk through the books of a tenant; of what is of the installation, the installation's own. */
export interface TenantWalk {
  tenant: string;
  walk: Walk;
}

export type StepEnd = "more" | "complete" | "failed";

/** Goes one page on. A walk whose service does not answer stays where it is, and its checks say so. */
export async function stepWalk(stepping: Stepping, { tenant, walk }: TenantWalk): Promise<StepEnd> {
  const { runtime } = stepping;
  const began = runtime.clock.now();
  const at = await readWalk(runtime.db, { tenant, walk: walk.name }, began);
  const page = await inServiceContext(tenant, () => ask(walk, { tenant, pageToken: at.pageToken }));
  if (page.kind === "failed") {
    await saveFailure(stepping, { tenant, walk }, { ...at, pageToken: page.isTokenRefused ? "" : at.pageToken }, page.problem);
    return "failed";
  }
  const told = await runtime.transaction(async (tx) => {
    await holdLease(tx, stepping.lease);
    return savePage(tx, stepping, { tenant, walk, at, page: page.page });
  });
  logTold(stepping, told);
  return page.page.nextPageToken === "" ? "complete" : "more";
}

type Asked = { kind: "page"; page: AuditPage } | { kind: "failed"; problem: string; isTokenRefused: boolean };

async function ask(walk: Walk, place: AuditPlace): Promise<Asked> {
  try {
    return { kind: "page", page: await walk.page(place) };
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    // The service may have been changed, and with it its tokens.
    return { kind: "failed", problem: error.rawMessage, isTokenRefused: error.code === Code.InvalidArgument };
  }
}

async function saveFailure(
  { runtime, lease, saidToFail }: Stepping,
  { tenant, walk }: TenantWalk,
  position: WalkPosition,
  problem: string,
): Promise<void> {
  const problems = new Map(walk.checks.map((check) => [check, problem]));
  await runtime.transaction(async (tx) => {
    await holdLease(tx, lease);
    await saveWalk(tx, { tenant, walk: walk.name }, position);
    await saveChecks(tx, { tenant, checks: walk.checks, problems, keeps: [], rowsChecked: 0, now: runtime.clock.now() });
  });
  if (saidToFail.has(walk.name)) return;
  saidToFail.add(walk.name);
  runtime.log.warn({ tenant, walk: walk.name, problem }, "audit_walk_failed");
}

interface Told {
  found: Violation[];
  cleared: Violation[];
}

async function savePage(
  tx: Transaction<OperationsTables>,
  stepping: Stepping,
  { tenant, walk, at, page }: TenantWalk & { at: WalkPosition; page: AuditPage },
): Promise<Told> {
  const now = stepping.runtime.clock.now();
  const isEnd = page.nextPageToken === "";
  const failedChecks = [...new Set([...at.failedChecks, ...page.problems.keys()])];
  await saveFindings(tx, page.findings.map(withCertainty), seenNow(stepping, tenant, now));
  const found = await announceFound(tx, { checks: walk.checks, time: now });
  // What could not be made in this pass stays said until the next; a walk that proves nothing does not take it back.
  const keeps = walk.kind === "proves" ? at.failedChecks : walk.checks;
  await saveChecks(tx, { tenant, checks: walk.checks, problems: page.problems, keeps, rowsChecked: page.rowsChecked, now });
  const proved = isEnd && walk.kind === "proves" ? walk.checks.filter((check) => !failedChecks.includes(check)) : [];
  await completeChecks(tx, { tenant, checks: proved, passTime: at.passTime, now });
  const cleared = proved.length === 0 ? [] : await announceCleared(tx, { tenant, checks: proved, since: at.passTime, time: now });
  await saveWalk(tx, { tenant, walk: walk.name }, nextPosition({ walk, at, page, failedChecks, now }));
  return { found, cleared };
}

function nextPosition(step: { walk: Walk; at: WalkPosition; page: AuditPage; failedChecks: string[]; now: Date }): WalkPosition {
  const { walk, at, page, failedChecks, now } = step;
  if (page.nextPageToken !== "") return { ...at, pageToken: page.nextPageToken, failedChecks };
  // What follows the newest looks at its last page again, where the next ones will be.
  return { pageToken: walk.kind === "follows" ? at.pageToken : "", passTime: now, failedChecks: [] };
}

const withCertainty = (finding: Finding) => ({ ...finding, isCertain: isCertain(finding.check) });

function seenNow({ settings, position }: Stepping, tenant: string, now: Date): Seen {
  const cause: Cause = { id: newId("req"), traceparent: childTraceparent(undefined) };
  const before = (ms: number): Date => new Date(now.getTime() - ms);
  return {
    tenant,
    now,
    cause,
    suspectSince: before(settings.graceMs),
    suspectSinceAtMost: before(gracesAtMost * settings.graceMs),
    streamSequence: position.last,
    handledSequence: position.handled,
  };
}

/** Looks again at orders under suspicion, so that a suspicion need not wait for the next pass. */
export async function stepSuspects(
  stepping: Stepping,
  { tenant, again }: { tenant: string } & Pick<AuditWalks, "again">,
): Promise<void> {
  const { runtime, lease } = stepping;
  const suspicious = checksOf("orders").filter((check) => !isCertain(check));
  const keys = await readSuspectKeys(runtime.db, { checks: suspicious, tenant, rowsMax: auditPageSize });
  if (keys.length === 0) return;
  const began = runtime.clock.now();
  const asked = await inServiceContext(tenant, () => again(tenant, keys)).catch((error: unknown) => {
    if (error instanceof ConnectError) return undefined;
    throw error;
  });
  if (!asked) return;
  const told = await runtime.transaction(async (tx) => {
    await holdLease(tx, lease);
    const now = runtime.clock.now();
    await saveFindings(tx, asked.findings.map(withCertainty), seenNow(stepping, tenant, now));
    const checks = suspicious.filter((check) => !asked.problems.has(check));
    await dropSuspects(tx, { checks, keys, tenant, before: began });
    return { found: await announceFound(tx, { checks: suspicious, time: now }), cleared: [] };
  });
  logTold(stepping, told);
}

function logTold({ runtime: { log } }: Stepping, { found, cleared }: Told): void {
  for (const { violationId, tenant, check, key, message, figures } of found) {
    log.error({ violationId, tenant, check, key, reason: message, figures }, "audit_violation_found");
  }
  for (const { violationId, tenant, check, key } of cleared)
    log.info({ violationId, tenant, check, key }, "audit_violation_cleared");
}

// The auditor's report, and a whole pass for whoever wants one now.
import { create } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { AuditReportSchema, AuditState, type AuditReport } from "#gen/ordermesh/operations/v1/audit_report_pb.ts";
import type { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { createWakeUp, type WakeUp } from "#runtime/wake-up.ts";
import { auditState, checks, installationChecks, tenantChecks } from "../domain/audit.ts";
import { areSettled, readChecks, type AuditScope, type CheckProgress } from "../store/audit/checks.ts";
import { countFindings, listViolations, type Violation } from "../store/audit/findings.ts";
import { requestPass } from "../store/audit/passes.ts";
import { listSweeps } from "../store/audit/sweeps.ts";
import type { OperationsTables } from "../store/tables.ts";

const violationsMax = 500;
const sweepsMax = 100;
/** Who asks while another waits for a pass that began so lately waits for the same. */
const joinMs = 10_000;
const lookEveryMs = 100;
/** Kept back of the caller's time, for the report itself. */
const reportMs = 1_000;

type Runtime = Pick<ServiceRuntime<OperationsTables>, "db" | "transaction" | "clock">;

interface AuditRoutesOptions {
  runtime: Runtime;
  /** Tells the auditor to look whether somebody has asked. */
  auditWakeUp: WakeUp;
  /** The installation's own tenant, whose operators see the books of all. */
  home: string;
}

type Methods = ServiceImpl<typeof OperationsService>;

/** The report: of all tenants for the installation's operators, for others of their own. */
export function reportRoutes({ runtime, home }: AuditRoutesOptions): Pick<Methods, "getAuditReport"> {
  return {
    getAuditReport: async () => {
      const { tenant } = currentRequest();
      const scope = tenant === home ? wholeScope(home) : { tenant, home, tenantChecks, installationChecks: [] };
      return { report: await readReport(runtime, scope, new Date(0)) };
    },
  };
}

const wholeScope = (home: string): AuditScope => ({ home, tenantChecks, installationChecks });

/** An audit now, of all books. */
export function auditRoutes({ runtime, auditWakeUp, home }: AuditRoutesOptions): Pick<Methods, "runAudit"> {
  const scope = wholeScope(home);
  return {
    runAudit: async (_request, { signal }: HandlerContext) => {
      const now = runtime.clock.now();
      const joinSince = new Date(now.getTime() - joinMs);
      const requestTime = await runtime.transaction(async (tx) => {
        const requestTime = await requestPass(tx, { now, joinSince });
        // Who joins a pass that another has asked for changes nothing.
        const isNew = requestTime.getTime() === now.getTime();
        if (isNew)
          await recordChange(tx, { resource: { kind: "audit", id: "books" }, after: { requestTime: now.toISOString() } });
        return requestTime;
      });
      auditWakeUp.wake();
      await untilAudited(runtime, { scope, requestTime, signal });
      return { report: await readReport(runtime, scope, requestTime) };
    },
  };
}

/** Until every check has come to its end or said why it cannot, or the caller has no more time. */
async function untilAudited(
  { db }: Runtime,
  { scope, requestTime, signal }: { scope: AuditScope; requestTime: Date; signal: AbortSignal },
): Promise<void> {
  const pause = createWakeUp();
  const endMs = (currentRequest().deadlineMs ?? Date.now() + joinMs) - reportMs;
  while (Date.now() < endMs && !signal.aborted) {
    if (await areSettled(db, scope, requestTime)) return;
    await pause.wait(lookEveryMs, signal);
  }
}

const isComplete = ({ completePassTime }: CheckProgress, since: Date): boolean =>
  completePassTime !== null && completePassTime >= since;

/** The report; complete is what has come to its end in a pass that began at that time or later. */
async function readReport({ db }: Pick<Runtime, "db">, scope: AuditScope, since: Date): Promise<AuditReport> {
  const { tenant } = scope;
  const [progress, counts, violations, sweeps] = await Promise.all([
    readChecks(db, scope),
    countFindings(db, tenant),
    listViolations(db, { tenant, rowsMax: violationsMax }),
    listSweeps(db, { tenant, rowsMax: sweepsMax }),
  ]);
  const made = new Set([...scope.tenantChecks, ...scope.installationChecks]);
  const named = checks.filter(({ check }) => made.has(check));
  const progressOf = new Map(progress.map((one) => [one.check, one]));
  const openOf = new Map(counts.map((count) => [count.check, count.violations]));
  const sum = (figures: number[]): number => figures.reduce((all, figure) => all + figure, 0);
  const violationsOpen = sum(counts.map((count) => count.violations));
  const suspects = sum(counts.map((count) => count.suspects));
  const seen = named.map(({ check }) => {
    const one = progressOf.get(check);
    return { problem: one?.problem ?? "", isComplete: one !== undefined && isComplete(one, since) };
  });
  return create(AuditReportSchema, {
    state: AuditState[auditState({ violationsOpen, suspects, checks: seen })],
    checks: named.map(({ check, rule }) => checkMessage({ check, rule }, progressOf.get(check), openOf.get(check) ?? 0)),
    violations: violations.map(violationMessage),
    violationsOpen: BigInt(violationsOpen),
    suspects: BigInt(suspects),
    sweeps: sweeps.map(({ time, ...sweep }) => ({ ...sweep, time: timestampFromDate(time) })),
  });
}

function checkMessage(named: { check: string; rule: string }, progress: CheckProgress | undefined, violationsOpen: number) {
  const { lastRunTime, lastCompleteTime, rowsChecked = 0, problem = "" } = progress ?? {};
  return {
    ...named,
    rowsChecked: BigInt(rowsChecked),
    ...(lastRunTime && { lastRunTime: timestampFromDate(lastRunTime) }),
    ...(lastCompleteTime && { lastCompleteTime: timestampFromDate(lastCompleteTime) }),
    violationsOpen: BigInt(violationsOpen),
    problem,
  };
}

function violationMessage({ violationId, check, tenant, key, message, figures, firstSeenTime, lastSeenTime }: Violation) {
  return {
    violationId,
    check,
    tenant,
    key,
    message,
    figures,
    firstSeenTime: timestampFromDate(firstSeenTime),
    lastSeenTime: timestampFromDate(lastSeenTime),
  };
}

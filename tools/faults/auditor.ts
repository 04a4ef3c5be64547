// The mesh's own judge: what its auditor finds, and how many dead letters it has open.
import { setTimeout as sleep } from "node:timers/promises";
import { clientTokens, fetchWith } from "../operator.ts";

interface AuditViolation {
  check: string;
  tenant: string;
  key: string;
  message: string;
}

export interface AuditVerdict {
  /** "CLEAN", "VIOLATED", "INCOMPLETE", or "ABSENT" where nobody answers for the audit. */
  state: string;
  violations: AuditViolation[];
  /** Undefined where nobody tells. */
  openLetters: number | undefined;
}

interface AuditReport {
  state?: string;
  violations?: AuditViolation[];
}

const auditMsMax = 60_000;
const askEveryMs = 2_000;

/** Asks until the auditor finds nothing: what it has seen while it was being broken is no violation once it is gone. */
export async function askAuditor(url: string, signal: AbortSignal): Promise<AuditVerdict> {
  const endMs = performance.now() + auditMsMax;
  const asOperator = fetchWith(url, clientTokens({ edgeUrl: url }));
  let report: AuditReport | undefined;
  for (;;) {
    report = await ask<AuditReport>(asOperator, "/v1/audit:run", { method: "POST", body: "{}" });
    const isOver =
      report?.state === "AUDIT_STATE_CLEAN" || (report?.state === "AUDIT_STATE_VIOLATED" && report.violations?.length);
    if (isOver || report === undefined || performance.now() > endMs || signal.aborted) break;
    await sleep(askEveryMs, undefined, { signal }).catch(() => {});
  }
  const stats = await ask<{ byState?: { name: string; letters: string }[] }>(asOperator, "/v1/dead-letters:stats", {
    method: "GET",
  });
  return {
    state: report?.state?.replace("AUDIT_STATE_", "") ?? "ABSENT",
    violations: report?.violations ?? [],
    openLetters: stats && Number(stats.byState?.find(({ name }) => name.endsWith("OPEN"))?.letters ?? 0),
  };
}

async function ask<Answer>(
  fetchAs: ReturnType<typeof fetchWith>,
  path: string,
  request: { method: string; body?: string },
): Promise<Answer | undefined> {
  const headers = { "content-type": "application/json" };
  const asked = { ...request, headers, signal: AbortSignal.timeout(30_000) };
  const answer = await fetchAs(path, asked).catch(() => undefined);
  return answer?.ok ? ((await answer.json()) as Answer) : undefined;
}

// The books as figures, told by whoever audits.
import type { ServiceRuntime } from "#runtime/service.ts";
import { checks, installationChecks, tenantChecks } from "../domain/audit.ts";
import { readChecks } from "../store/audit/checks.ts";
import { countFindings } from "../store/audit/findings.ts";
import { countAudited } from "../store/audit/tenants.ts";
import type { OperationsTables } from "../store/tables.ts";
import type { AuditSettings } from "./audit-settings.ts";

export interface AuditMetrics {
  tell(): Promise<void>;
  forget(): void;
}

/** Over all tenants: their number has no bound, so none is a label. */
export function auditMetrics(
  { db, clock, metrics }: Pick<ServiceRuntime<OperationsTables>, "db" | "clock" | "metrics">,
  { home }: Pick<AuditSettings, "home">,
): AuditMetrics {
  const scope = { home, tenantChecks, installationChecks };
  const tenants = metrics.gauge("ordermesh_audit_tenants", "Tenants whose books are gone through");
  const open = metrics.gauge("ordermesh_audit_violations", "Violations that are open", ["check"]);
  const suspects = metrics.gauge("ordermesh_audit_suspects", "Disagreements that may pass by themselves", ["check"]);
  const rows = metrics.gauge("ordermesh_audit_rows_checked", "Rows looked at since the first start", ["check"]);
  const age = metrics.gauge("ordermesh_audit_complete_age_seconds", "Time since a check last came to its end", ["check"]);
  return {
    tell: async () => {
      const [counts, progress, count] = await Promise.all([countFindings(db), readChecks(db, scope), countAudited(db)]);
      tenants.set(count);
      const countOf = new Map(counts.map((count) => [count.check, count]));
      const progressOf = new Map(progress.map((one) => [one.check, one]));
      for (const { check } of checks) {
        open.set({ check }, countOf.get(check)?.violations ?? 0);
        suspects.set({ check }, countOf.get(check)?.suspects ?? 0);
        rows.set({ check }, progressOf.get(check)?.rowsChecked ?? 0);
        const complete = progressOf.get(check)?.lastCompleteTime;
        if (complete) age.set({ check }, Math.max(0, clock.now().getTime() - complete.getTime()) / 1_000);
      }
    },
    forget: () => {
      for (const gauge of [open, suspects, rows, age, tenants]) gauge.reset();
    },
  };
}

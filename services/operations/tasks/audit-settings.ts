// How often the auditor looks, and how long events may take before a disagreement counts.
import { numberSetting, textSetting, type Environment } from "#runtime/settings.ts";

export interface AuditSettings {
  everyMs: number;
  /** A disagreement of several services is one only where it lasts longer. */
  graceMs: number;
  /** What is held for nobody is given back after this time. */
  sweepGraceMs: number;
  /** The installation's own tenant, in whose name stands what is of the whole installation. */
  home: string;
}

export function readAuditSettings(env: Environment): AuditSettings {
  return {
    everyMs: numberSetting(env, "ORDERMESH_AUDIT_EVERY_MS", { fallback: 5_000, min: 20, max: 3_600_000 }),
    graceMs: numberSetting(env, "ORDERMESH_AUDIT_GRACE_MS", { fallback: 30_000, min: 0, max: 3_600_000 }),
    sweepGraceMs: numberSetting(env, "ORDERMESH_SWEEP_GRACE_MS", { fallback: 60_000, min: 0, max: 86_400_000 }),
    home: textSetting(env, "ORDERMESH_TENANT", "demo"),
  };
}

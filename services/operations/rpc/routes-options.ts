// What the routes of operations stand on.
import type { ServiceRuntime } from "#runtime/service.ts";
import type { WakeUp } from "#runtime/wake-up.ts";
import type { OperationsTables } from "../store/tables.ts";

export interface OperationsRoutesOptions {
  runtime: ServiceRuntime<OperationsTables>;
  /** Tells the task that sends letters again to look. */
  redriveWakeUp: WakeUp;
  /** Tells the auditor that somebody waits for a whole pass. */
  auditWakeUp: WakeUp;
}

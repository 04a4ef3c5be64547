// Operations: dead letters and what becomes of them, and the auditor that proves the books of all services.
import { file_ordermesh_operations_events_v1_operations_events } from "#gen/ordermesh/operations/events/v1/operations_events_pb.ts";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { databaseClock } from "#runtime/database/database-clock.ts";
import type { ServiceDefinition } from "#runtime/service.ts";
import { createWakeUp } from "#runtime/wake-up.ts";
import { operationsHears } from "./consumers.ts";
import { alertWork } from "./due/alerts.ts";
import { forgetWork } from "./due/forget.ts";
import { alertSettings } from "./provider/settings.ts";
import { operationsRoutes } from "./rpc/routes.ts";
import { letterData } from "./store/letters/personal-data.ts";
import type { OperationsTables } from "./store/tables.ts";
import { readAuditSettings } from "./tasks/audit-settings.ts";
import { auditorTask } from "./tasks/audit.ts";
import { advisoriesDurable, captureTask } from "./tasks/capture.ts";
import { reconcileTask } from "./tasks/reconcile.ts";
import { redriveTask } from "./tasks/redrive.ts";
import { streamReaderTask } from "./tasks/stream-reader.ts";
import { sweeperTask } from "./tasks/sweep.ts";

export const operations: ServiceDefinition<OperationsTables> = {
  name: "operations",
  services: [OperationsService],
  emits: [file_ordermesh_operations_events_v1_operations_events],
  keepsStreams: { advisoriesDurable },
  migrations: new URL("./migrations/", import.meta.url),
  create: (given) => {
    // Letters, findings and sweeps are of all tenants: who may ask for them is said by the access of each method.
    const { system } = given;
    // What is seen now is compared with what was seen before, perhaps by another instance.
    const runtime = { ...given, ...system, clock: databaseClock(system.db, given.clock) };
    const redriveWakeUp = createWakeUp();
    const auditWakeUp = createWakeUp();
    const settings = readAuditSettings(runtime.env);
    return {
      routes: operationsRoutes({ runtime, redriveWakeUp, auditWakeUp }),
      tasks: [
        captureTask(runtime),
        reconcileTask(runtime),
        redriveTask(runtime, redriveWakeUp),
        streamReaderTask(runtime, settings),
        auditorTask(runtime, { settings, wakeUp: auditWakeUp }),
        sweeperTask(runtime, settings),
      ],
      hears: operationsHears(runtime),
      dueWork: [alertWork(runtime, alertSettings(runtime.env, runtime.log)), forgetWork()],
      personalData: letterData(given.db),
    };
  },
};

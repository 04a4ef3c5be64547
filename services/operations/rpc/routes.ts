// What operations answers, put together from its parts.
import type { ConnectRouter } from "@connectrpc/connect";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { installationOnly } from "#runtime/access/installation-only.ts";
import { textSetting } from "#runtime/settings.ts";
import { auditLogRoutes } from "./audit-log.ts";
import { auditRoutes, reportRoutes } from "./audit.ts";
import { deadLetterRoutes } from "./dead-letters.ts";
import { explainRoutes } from "./explain.ts";
import { jobRoutes } from "./jobs.ts";
import type { OperationsRoutesOptions } from "./routes-options.ts";

export function operationsRoutes(options: OperationsRoutesOptions): (router: ConnectRouter) => void {
  const home = textSetting(options.runtime.env, "ORDERMESH_TENANT", "demo");
  const audited = { ...options, home };
  const ofAllShops = installationOnly({ ...deadLetterRoutes(options), ...auditRoutes(audited), ...jobRoutes(options) }, home);
  const ofEach = { ...reportRoutes(audited), ...auditLogRoutes(options), ...explainRoutes(options) };
  return (router) => router.service(OperationsService, { ...ofAllShops, ...ofEach });
}

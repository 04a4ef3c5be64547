// What operations answers, put together from its parts.
import type { ConnectRouter } from "@connectrpc/connect";
import { OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { auditLogRoutes } from "./audit-log.ts";
import { auditRoutes } from "./audit.ts";
import { deadLetterRoutes } from "./dead-letters.ts";
import type { OperationsRoutesOptions } from "./routes-options.ts";

export function operationsRoutes(options: OperationsRoutesOptions): (router: ConnectRouter) => void {
  return (router) =>
    router.service(OperationsService, { ...deadLetterRoutes(options), ...auditRoutes(options), ...auditLogRoutes(options) });
}

// Requests that have a service publish again what it has written.
import { Code, type ServiceImpl } from "@connectrpc/connect";
import { DeliveryService } from "#gen/ordermesh/delivery/v1/delivery_service_pb.ts";
import { RepublishEventsRequestSchema, type OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { actingSubject } from "#runtime/access/authorize.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { sendingServices } from "../events/event-types.ts";
import type { OperationsRoutesOptions } from "./routes-options.ts";

export function republishRoutes({
  runtime,
}: OperationsRoutesOptions): Pick<ServiceImpl<typeof OperationsService>, "republishEvents"> {
  return {
    republishEvents: async (request) => {
      const actor = actingSubject();
      const { service, sinceTime, reason } = request;
      if (!sendingServices.includes(service)) {
        throw refuse(Code.InvalidArgument, "SERVICE_UNKNOWN", `no service that sends events is named ${service}`, { service });
      }
      // Before the service is asked, which knows only us: should it not answer, this says at least what was wanted.
      const resource = { kind: "service", id: service };
      await runtime.transaction((tx) =>
        recordChange(tx, { resource, after: shown(RepublishEventsRequestSchema, { ...request, actor }) }),
      );
      const { events } = await runtime.clientOf(DeliveryService, service).republishEvents({ service, sinceTime });
      runtime.log.warn({ service, actor, reason, events: Number(events) }, "events_asked_again");
      return { events };
    },
  };
}

// The audit logs of all services as one.
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { AuditEntry } from "#gen/ordermesh/auditlog/v1/audit_entry_pb.ts";
import { AuditLogService } from "#gen/ordermesh/auditlog/v1/auditlog_service_pb.ts";
import type { ListAuditLogRequest, OperationsService } from "#gen/ordermesh/operations/v1/operations_service_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { sendingServices } from "../events/event-types.ts";
import { idBelow, inOrder, type Place } from "../domain/audit-log.ts";
import type { OperationsRoutesOptions } from "./routes-options.ts";

export function auditLogRoutes({
  runtime,
}: OperationsRoutesOptions): Pick<ServiceImpl<typeof OperationsService>, "listAuditLog"> {
  return {
    listAuditLog: async (request) => {
      const pageSize = pageSizeOf(request.pageSize);
      const after = readPlace(request.pageToken);
      const { subject, method, resourceKind, resourceId } = request;
      const { sinceTime, untilTime } = request;
      const filter = {
        subject,
        method,
        resourceKind,
        resourceId,
        ...(sinceTime && { sinceTime }),
        ...(untilTime && { untilTime }),
      };
      const lists = await Promise.all(
        servicesOf(request).map(async (service) => {
          const before = after && { beforeTime: timestampFromMs(after.timeMs), beforeId: idBelow(after, service) };
          const asked = { service, filter, rowsMax: pageSize + 1, ...before };
          return (await runtime.clientOf(AuditLogService, service).listAuditEntries(asked)).entries;
        }),
      );
      const entries = lists.flat().toSorted((one, other) => inOrder(placeOf(one), placeOf(other)));
      const page = cutPage(entries, pageSize, (entry) => tokenOf(placeOf(entry)));
      return { entries: page.rows, nextPageToken: page.nextPageToken };
    },
  };
}

function servicesOf({ service }: ListAuditLogRequest): readonly string[] {
  if (service === "") return sendingServices;
  if (sendingServices.includes(service)) return [service];
  throw refuse(Code.InvalidArgument, "SERVICE_UNKNOWN", `no service with an audit log is named ${service}`, { service });
}

const placeOf = ({ entryTime, service, entryId }: AuditEntry): Place => ({
  timeMs: entryTime ? timestampMs(entryTime) : 0,
  service,
  id: entryId,
});

const tokenOf = ({ timeMs, service, id }: Place): string => `${timeMs}:${service}:${id}`;

function readPlace(pageToken: string): Place | undefined {
  const place = readPageToken(pageToken);
  if (place === undefined) return undefined;
  const [, timeMs, service, id] = /^(\d{1,15}):([a-z]+):(\d{1,18})$/.exec(place) ?? [];
  if (timeMs === undefined || service === undefined || id === undefined) {
    throw refuse(Code.InvalidArgument, "PAGE_TOKEN_INVALID", "page_token is not one that an earlier page has given");
  }
  return { timeMs: Number(timeMs), service, id: BigInt(id) };
}

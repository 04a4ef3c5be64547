// AuditLogService, for every service that runs in this process: who did what there.
import { create, type JsonObject, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import type { Kysely } from "kysely";
import { AuditOutcome, type AuditEntrySchema } from "#gen/ordermesh/auditlog/v1/audit_entry_pb.ts";
import {
  AuditEntryFilterSchema,
  AuditLogService,
  type ListAuditEntriesRequest,
} from "#gen/ordermesh/auditlog/v1/auditlog_service_pb.ts";
import { refuse } from "../errors.ts";
import { currentRequest } from "../request-context.ts";
import { readEntries, type ListedEntry } from "./read.ts";

export interface LoggingService {
  name: string;
  db: Kysely<never>;
}

export function auditLogRoutes(services: () => readonly LoggingService[]): (router: ConnectRouter) => void {
  return (router) => {
    router.service(AuditLogService, {
      listAuditEntries: async (request) => {
        const { service: name } = request;
        const service = services().find((candidate) => candidate.name === name);
        if (!service) throw refuse(Code.NotFound, "SERVICE_NOT_HERE", `${name} does not run in this process`, { service: name });
        const entries = await readEntries(service.db, queryOf(request));
        return { entries: entries.map((entry) => entryMessage(name, entry)) };
      },
    });
  };
}

function queryOf({ filter = create(AuditEntryFilterSchema), beforeTime, beforeId, rowsMax }: ListAuditEntriesRequest) {
  const { subject, method, resourceKind, resourceId, sinceTime, untilTime } = filter;
  const { tenant } = currentRequest();
  return {
    tenant,
    subject,
    method,
    resourceKind,
    resourceId,
    rowsMax,
    since: sinceTime && timestampDate(sinceTime),
    until: untilTime && timestampDate(untilTime),
    before: beforeTime && { time: timestampDate(beforeTime), id: String(beforeId) },
  };
}

function entryMessage(service: string, entry: ListedEntry): MessageInitShape<typeof AuditEntrySchema> {
  const { id, time, tenant: _tenant, before, after, roles, outcome, ...rest } = entry;
  return {
    ...rest,
    service,
    entryId: BigInt(id),
    entryTime: timestampFromDate(time),
    roles: roles.split(" ").filter((role) => role !== ""),
    outcome: AuditOutcome[outcome],
    ...(before && { before: before as JsonObject }),
    ...(after && { after: after as JsonObject }),
  };
}

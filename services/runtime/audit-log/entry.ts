// An entry of the audit log: who did what to what, when, and from where.
import { hash } from "node:crypto";
import type { JsonObject } from "@bufbuild/protobuf";
import { currentRequest, type RequestContext } from "../request-context.ts";

export interface Resource {
  /** Such as "product". */
  kind: string;
  id: string;
}

/** A change of one resource; what was and what is, without secrets (see shown). */
export interface Change {
  resource: Resource;
  /** Absent where the resource is new, or where what it was is not worth keeping. */
  before?: JsonObject;
  /** Absent where it is gone. */
  after?: JsonObject;
  /** Who makes it, where the request itself proves that, as one that signs in does; without it, who showed the token. */
  by?: Changer;
}

export interface Changer {
  /** Empty for who acts for no shop: the entry is then of the tenant of the call. */
  tenant: string;
  subject: string;
  clientId: string;
  roles: readonly string[];
}

export interface AuditEntry {
  tenant: string;
  /** Id of the customer, or of the client where it acted for itself; empty for a caller without a token. */
  subject: string;
  clientId: string;
  /** With spaces between. */
  roles: string;
  /** Such as ordermesh.catalog.v1.CatalogService/CreateProduct. */
  method: string;
  resourceKind: string;
  resourceId: string;
  /** JSON text. */
  before: string | null;
  after: string | null;
  outcome: "OK" | "PERMISSION_DENIED";
  /** Reason of a refusal; empty for a change. */
  reason: string;
  /** IP address of whoever called, as far as it is known; "process" where a service of ours worked by itself. */
  peer: string;
  requestId: string;
}

/** The entry of a change that the current call makes. Throws outside a call: what no caller asked for is told by events. */
export function changeEntry({ resource, before, after, by }: Change): AuditEntry {
  const call = callerOf(currentRequest());
  return {
    ...call,
    ...(by && { ...by, tenant: by.tenant === "" ? call.tenant : by.tenant, roles: by.roles.join(" ") }),
    resourceKind: resource.kind,
    resourceId: resource.id,
    before: before ? JSON.stringify(before) : null,
    after: after ? JSON.stringify(after) : null,
    outcome: "OK",
    reason: "",
  };
}

/** The entry of a call that was refused because of who called. */
export function refusalEntry(context: RequestContext, reason: string): AuditEntry {
  const nothing = { resourceKind: "", resourceId: "", before: null, after: null };
  return { ...callerOf(context), ...nothing, outcome: "PERMISSION_DENIED", reason };
}

function callerOf({ call, caller, tenant, requestId }: RequestContext) {
  if (!call) throw new Error("an entry of the audit log needs the call that it is of");
  return {
    tenant,
    subject: caller?.subject ?? "",
    clientId: caller?.clientId ?? "",
    roles: caller?.roles.join(" ") ?? "",
    method: call.method,
    peer: call.peer,
    requestId,
  };
}

/** SHA-256 over all that an entry says and when; the time in milliseconds since 1970. */
export function entryHash(entry: AuditEntry, timeMs: number): Buffer {
  const { tenant, subject, clientId, roles, method, resourceKind, resourceId, before, after } = entry;
  const what = [tenant, subject, clientId, roles, method, resourceKind, resourceId, before, after];
  const how = [entry.outcome, entry.reason, entry.peer, entry.requestId, timeMs];
  return hash("sha256", JSON.stringify([...what, ...how]), "buffer");
}

// What travels with a request or an event through every await: who it is for, what caused it, and its trace.
import { AsyncLocalStorage } from "node:async_hooks";
import type { Caller } from "./access/caller.ts";
import { randomHex } from "./random.ts";

export interface CallOrigin {
  /** Such as ordermesh.catalog.v1.CatalogService/GetProduct. */
  method: string;
  /** IP address of whoever called first, as far as it is known; "process" where a service of ours works by itself. */
  peer: string;
}

export interface RequestContext {
  /** Id of the request, or of the event that is being handled. */
  requestId: string;
  /** W3C Trace Context, level 1: version-traceid-spanid-flags. */
  traceparent: string;
  tenant: string;
  /** Who asked; absent where an event or the time did, and where somebody without a token did. */
  caller?: Caller;
  /** What is being called, and from where; absent where no call is worked on. */
  call?: CallOrigin;
  /** When the caller stops waiting; milliseconds since 1970. */
  deadlineMs?: number;
}

const storage = new AsyncLocalStorage<RequestContext>();

export function requestContext(): RequestContext | undefined {
  return storage.getStore();
}

/** The context, where its absence is a mistake of ours. */
export function currentRequest(): RequestContext {
  const context = storage.getStore();
  if (!context) throw new Error("no request context: this code runs outside a request and outside an event");
  return context;
}

export function runInContext<Result>(context: RequestContext, work: () => Result): Result {
  return storage.run(context, work);
}

const traceparentPattern = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** A child of the given traceparent: the same trace, a new span. A missing or malformed one starts a new trace. */
export function childTraceparent(parent: string | null | undefined): string {
  const span = randomHex(8);
  if (parent && traceparentPattern.test(parent)) return `${parent.slice(0, 36)}${span}${parent.slice(52)}`;
  return `00-${randomHex(16)}-${span}-01`;
}

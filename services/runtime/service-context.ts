// Work that a service does for many callers at once has no caller: no deadline of one of them may end it for the others.
import { newId } from "./ids.ts";
import { childTraceparent, requestContext, runInContext } from "./request-context.ts";

/** Runs work for a tenant under an id of its own, in the trace of the caller that came first. */
export function inServiceContext<Result>(tenant: string, work: () => Result): Result {
  const traceparent = childTraceparent(requestContext()?.traceparent);
  return runInContext({ requestId: newId("req"), traceparent, tenant }, work);
}

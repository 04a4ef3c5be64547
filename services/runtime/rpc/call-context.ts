// The first thing that happens to a call: it gets its ids, its tenant and its deadline, before the body is read.
import type { DescMethod } from "@bufbuild/protobuf";
import { createContextKey, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import { newId } from "#runtime/ids.ts";
import { childTraceparent, requestContext, runInContext, type RequestContext } from "#runtime/request-context.ts";
import { endedBy, inContext } from "./streams.ts";

/** How long a unary call may take where the caller does not say. Milliseconds. */
export const unaryTimeoutMs = 10_000;

const requestIdPattern = /^[A-Za-z0-9._-]{1,128}$/;

/**
 * Who is at the other end of the connection: an IP address; under mutual TLS the names of its certificate, such as
 * "orders.ordermesh"; or "process" for a co-located service.
 */
export const peerKey = createContextKey("process", { description: "peer of the call" });

const callKey = createContextKey<RequestContext | undefined>(undefined, { description: "context of the call" });

/**
 * Gives the call its context before its body is read, so that a body that cannot be decoded is answered
 * with a request id too. For Connect's requestGate.
 */
export function admitCalls({ tenant }: { tenant: string }): (call: HandlerContext) => void {
  return (call) => {
    const context = contextOf({ method: call.method, header: call.requestHeader, timeoutMs: call.timeoutMs(), tenant });
    call.responseHeader.set("x-request-id", context.requestId);
    call.values.set(callKey, context);
  };
}

/** Runs everything below it, streams included, inside the context of the call; makes one where no gate has. */
export function runInCallContext({ tenant }: { tenant: string }): Interceptor {
  return (next) => async (request) => {
    const context = request.contextValues.get(callKey) ?? contextOf({ ...request, timeoutMs: undefined, tenant });
    const response = await runInContext(context, () => next(request));
    return response.stream ? { ...response, message: endedBy(request.signal, inContext(context, response.message)) } : response;
  };
}

/** The caller's id where it is fit for logs and headers, else a new one. */
export function requestIdOf(given: unknown): string {
  return typeof given === "string" && requestIdPattern.test(given) ? given : newId("req");
}

function contextOf(call: { method: DescMethod; header: Headers; timeoutMs: number | undefined; tenant: string }): RequestContext {
  const timeoutMs = call.timeoutMs ?? (call.method.methodKind === "unary" ? unaryTimeoutMs : undefined);
  return {
    requestId: requestIdOf(call.header.get("x-request-id")),
    traceparent: childTraceparent(call.header.get("traceparent")),
    // Only a call between co-located services runs inside another's context.
    tenant: requestContext()?.tenant ?? call.tenant,
    ...(timeoutMs === undefined ? {} : { deadlineMs: Date.now() + timeoutMs }),
  };
}

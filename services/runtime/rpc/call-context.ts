// The first thing that happens to a call: it gets its ids, its caller, its tenant and its deadline, before the body is read.
import type { DescMethod } from "@bufbuild/protobuf";
import { createContextKey, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import { assertMayCall } from "#runtime/access/authorize.ts";
import type { VerifyToken } from "#runtime/access/verify-token.ts";
import { reasonOf } from "#runtime/errors.ts";
import { newId } from "#runtime/ids.ts";
import { rateLimited } from "#runtime/limits/rate-limited.ts";
import type { Logger } from "#runtime/log.ts";
import { childTraceparent, requestContext, runInContext, type RequestContext } from "#runtime/request-context.ts";
import { createOriginOf, originInside, type OriginOf } from "./call-origin.ts";
import { accessTo, identify } from "./identify.ts";
import type { CallLimits } from "./limit-calls.ts";
import { logRefusedCall, methodName } from "./log-calls.ts";
import { peerKey } from "./peer.ts";
import { endedBy, inContext } from "./streams.ts";

/** How long a unary call may take where the caller does not say. Milliseconds. */
export const unaryTimeoutMs = 10_000;

const requestIdPattern = /^[A-Za-z0-9._-]{1,128}$/;

const callKey = createContextKey<RequestContext | undefined>(undefined, { description: "context of the call" });

export interface GateRules {
  /** Whom calls without a token are for. */
  tenant: string;
  verify: VerifyToken;
  /** Without it a client may ask as much as it likes. */
  limits?: CallLimits;
  /** Without it nobody outside this process is believed about who asked first. */
  originOf?: OriginOf;
  /** Hears of a call that was refused before it began. */
  onRefused?: OnRefused;
  log: Logger;
}

export type OnRefused = (method: DescMethod, context: RequestContext, error: unknown) => void;

/**
 * Gives the call its context before its body is read, so that a body that cannot be decoded is answered
 * with a request id too, and refuses whoever may not call. For Connect's requestGate.
 */
export function admitCalls(rules: GateRules): (call: HandlerContext) => Promise<void> {
  const { tenant, verify, limits, originOf = createOriginOf(), onRefused, log } = rules;
  return async (call) => {
    const peer = call.values.get(peerKey);
    // Only a call between co-located services runs inside another's context.
    const outer = peer === undefined ? requestContext() : undefined;
    const { method, requestHeader: header } = call;
    const origin = originOf(call);
    const context = contextOf({ method, header, timeoutMs: call.timeoutMs(), tenant, outer, from: origin.address });
    call.responseHeader.set("x-request-id", context.requestId);
    call.values.set(callKey, context);
    try {
      const caller = await identify(call, { outer, verify, count: (known) => limits?.count(call, known, origin) });
      if (caller) {
        context.caller = caller;
        if (caller.tenant !== "") context.tenant = caller.tenant;
      }
      if (!outer) assertMayCall(accessTo(method), caller);
    } catch (error) {
      onRefused?.(method, context, error);
      // Whoever asks too much would fill the log as well; the limits say now and then how much they refuse.
      if (reasonOf(error) !== rateLimited) runInContext(context, () => logRefusedCall({ log, call, peer, error }));
      throw error;
    }
  };
}

/** Runs everything below it, streams included, inside the context of the call; makes one where no gate has. */
export function runInCallContext({ tenant }: { tenant: string }): Interceptor {
  return (next) => async (request) => {
    const outer = requestContext();
    const from = originInside().address;
    const context = request.contextValues.get(callKey) ?? contextOf({ ...request, timeoutMs: undefined, tenant, outer, from });
    const response = await runInContext(context, () => next(request));
    return response.stream ? { ...response, message: endedBy(request.signal, inContext(context, response.message)) } : response;
  };
}

/** The caller's id where it is fit for logs and headers, else a new one. */
export function requestIdOf(given: unknown): string {
  return typeof given === "string" && requestIdPattern.test(given) ? given : newId("req");
}

interface Call {
  method: DescMethod;
  header: Headers;
  timeoutMs: number | undefined;
  tenant: string;
  outer: RequestContext | undefined;
  from: string;
}

function contextOf(call: Call): RequestContext {
  const timeoutMs = call.timeoutMs ?? (call.method.methodKind === "unary" ? unaryTimeoutMs : undefined);
  return {
    requestId: requestIdOf(call.header.get("x-request-id")),
    traceparent: childTraceparent(call.header.get("traceparent")),
    tenant: call.outer?.tenant ?? call.tenant,
    ...(call.outer?.caller ? { caller: call.outer.caller } : {}),
    call: { method: methodName({ service: call.method.parent, method: call.method }), peer: call.from },
    ...(timeoutMs === undefined ? {} : { deadlineMs: Date.now() + timeoutMs }),
  };
}

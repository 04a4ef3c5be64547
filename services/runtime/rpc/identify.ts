// Who makes a call: a service of this process by the context that it runs in, everybody else by the token that is shown.
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { mayCall } from "#runtime/access/authorize.ts";
import { bearerToken } from "#runtime/access/bearer.ts";
import { serviceCaller, type Caller } from "#runtime/access/caller.ts";
import { accessOf, type MethodAccess } from "#runtime/access/method-access.ts";
import type { VerifyToken } from "#runtime/access/verify-token.ts";
import type { RequestContext } from "#runtime/request-context.ts";

/** Health and reflection are the standard's own contracts, which know nothing of our options; whoever reaches the port may call. */
const openAccess: MethodAccess = { isPublic: true, roles: new Set(), scopes: [], ownerField: undefined };
const openPackage = "grpc.";

export const accessTo = (method: DescMethod): MethodAccess =>
  method.parent.typeName.startsWith(openPackage) ? openAccess : accessOf(method);

/** Counts the call for its caller, or its address; throws where that asks too much. */
export type CountCall = (caller: Caller | undefined) => void;

/**
 * Who calls, whether it may or not; undefined for somebody without a token. A token that is shown must be good, also where none
 * is needed.
 *
 * @param outer Of the call or event that a co-located service works on; undefined where the call comes from elsewhere.
 * @throws ConnectError what the limits and the verification say.
 */
export async function identify(
  call: HandlerContext,
  { outer, verify, count }: { outer: RequestContext | undefined; verify: VerifyToken; count: CountCall },
): Promise<Caller | undefined> {
  if (outer) return callerInside(accessTo(call.method), outer);
  const caller = await callerOutside(call, verify).catch((error: unknown) => {
    // Also who shows a token that is none is limited.
    if (error instanceof ConnectError && error.code === Code.Unauthenticated) count(undefined);
    throw error;
  });
  count(caller);
  return caller;
}

async function callerOutside({ requestHeader }: HandlerContext, verify: VerifyToken): Promise<Caller | undefined> {
  const token = bearerToken(requestHeader);
  return token === undefined ? undefined : verify(token);
}

/** Whom a service calls for where it works on a context: the caller, where that opens the method; else for itself. */
export function callerInside(access: MethodAccess, { caller, tenant }: RequestContext): Caller {
  return caller && mayCall(access, caller) ? caller : serviceCaller(tenant);
}

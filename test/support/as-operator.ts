// Calls a service of this process as an operator would, where there is no identity to give a token.
import type { Transport } from "@connectrpc/connect";
import { serviceCaller } from "#runtime/access/caller.ts";
import { newId } from "#runtime/ids.ts";
import { childTraceparent, runInContext, type RequestContext } from "#runtime/request-context.ts";

/** In process a call has the caller of the context that it is made in. */
export function asOperator(inner: Transport, { tenant }: { tenant: string }): Transport {
  const context = (): RequestContext => ({
    requestId: newId("req"),
    traceparent: childTraceparent(undefined),
    tenant,
    caller: { ...serviceCaller(tenant), subject: "operator", clientId: "operator", roles: ["operator"] },
  });
  return {
    unary: (...call) => runInContext(context(), () => inner.unary(...call)),
    stream: (...call) => runInContext(context(), () => inner.stream(...call)),
  };
}

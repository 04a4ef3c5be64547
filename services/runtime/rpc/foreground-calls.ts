// Tells the process how many callers wait for it: by RPC, or by REST through an edge of this process. Calls of co-located services are
// part of a call that is counted already.
import type { Interceptor } from "@connectrpc/connect";
import type { Foreground } from "#runtime/foreground.ts";
import { addressInHand } from "../limits/asked-from.ts";
import { requestContext } from "../request-context.ts";
import { peerKey } from "./peer.ts";

/** Counts unary calls from outside while they last; a stream is open for as long as somebody watches. */
export function countCalls(foreground: Foreground): Interceptor {
  return (next) => async (request) => {
    const isOutermost = requestContext()?.call === undefined;
    const isFromOutside = request.contextValues.get(peerKey) !== undefined || (addressInHand() !== undefined && isOutermost);
    if (request.stream || !isFromOutside) return next(request);
    const end = foreground.begin();
    try {
      return await next(request);
    } finally {
      end();
    }
  };
}

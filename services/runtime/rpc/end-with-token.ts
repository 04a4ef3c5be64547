// A stream is open for no longer than a new call would be let in: it ends with the token that has opened it.
import { AsyncResource } from "node:async_hooks";
import type { Interceptor } from "@connectrpc/connect";
import type { FollowToken } from "#runtime/access/token-life.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { rejectedBy } from "./deadline.ts";
import { cutBy } from "./streams.ts";

/**
 * Ends each stream with UNAUTHENTICATED, TOKEN_EXPIRED or TOKEN_REVOKED, when its caller's token is no longer good, whether its
 * handler listens to its signal or not. A unary call, which has a deadline, goes on to its end.
 */
export function endWithToken(follow: FollowToken): Interceptor {
  return (next) => async (request) => {
    const { caller } = currentRequest();
    if (!request.stream || !caller) return next(request);
    const { signal } = request;
    const ending = new AbortController();
    // Whoever tells of the end does it in a context of its own; what ends here is part of the call.
    const end = AsyncResource.bind((reason: unknown) => ending.abort(reason));
    const stop = follow(caller, end);
    const onGone = (): void => leave(signal.reason);
    const leave = (reason?: unknown): void => {
      stop();
      signal.removeEventListener("abort", onGone);
      if (reason !== undefined) end(reason);
    };
    signal.addEventListener("abort", onGone, { once: true });
    if (signal.aborted) onGone();
    try {
      const response = await Promise.race([next({ ...request, signal: ending.signal }), rejectedBy(ending.signal)]);
      if (response.stream) return { ...response, message: cutBy(ending.signal, response.message, leave) };
      leave();
      return response;
    } catch (error) {
      leave();
      throw error;
    }
  };
}

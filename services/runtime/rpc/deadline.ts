// No call takes longer than its deadline: its own, or the one that every unary call gets.
import { Code, type ConnectError, type Interceptor } from "@connectrpc/connect";
import { refuse } from "#runtime/errors.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { completeUnless } from "./streams.ts";

export function deadlineExceeded(): ConnectError {
  return refuse(Code.DeadlineExceeded, "DEADLINE_EXCEEDED", "the deadline of the call has passed");
}

/**
 * Answers DEADLINE_EXCEEDED when the deadline passes, without waiting for a handler that does not listen to its signal.
 * A call whose deadline has passed before it began, or whose caller has gone, is not begun.
 * A stream has a deadline only where its caller set one; its handler must listen to its signal.
 */
export const keepDeadline: Interceptor = (next) => async (request) => {
  const { deadlineMs } = currentRequest();
  if (deadlineMs !== undefined && deadlineMs <= Date.now()) throw deadlineExceeded();
  request.signal.throwIfAborted();
  if (request.stream) {
    const response = await next(request);
    return response.stream ? { ...response, message: completeUnless(request.signal, response.message) } : response;
  }
  if (deadlineMs === undefined) return next(request);

  const ending = new AbortController();
  const end = (): void => ending.abort(request.signal.reason);
  const timer = setTimeout(() => ending.abort(deadlineExceeded()), deadlineMs - Date.now());
  request.signal.addEventListener("abort", end, { once: true });
  try {
    return await Promise.race([next({ ...request, signal: ending.signal }), rejectedBy(ending.signal)]);
  } finally {
    clearTimeout(timer);
    request.signal.removeEventListener("abort", end);
  }
};

/** Rejects with the signal's reason once it is aborted. */
export function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

// What a call takes along from the request or event that makes it: its ids, and no more time than that has left.
import type { Transport } from "@connectrpc/connect";
import { requestContext } from "#runtime/request-context.ts";
import { deadlineExceeded } from "./deadline.ts";

/** How long a unary call between services may take where the caller does not say. Milliseconds. */
export const callTimeoutMs = 5_000;

/**
 * The transport, with request id, trace and deadline of the current context. A call whose caller has no time left
 * is refused with DEADLINE_EXCEEDED before it is sent. A stream has no deadline but its caller's.
 */
export function withCallerContext(inner: Transport): Transport {
  return {
    unary: async (method, signal, timeoutMs, header, message, values) =>
      inner.unary(method, signal, timeLeft(timeoutMs ?? callTimeoutMs), withIds(header), message, values),
    stream: async (method, signal, timeoutMs, header, messages, values) =>
      inner.stream(method, signal, timeLeft(timeoutMs), withIds(header), messages, values),
  };
}

function timeLeft(askedMs: number): number;
function timeLeft(askedMs: number | undefined): number | undefined;
function timeLeft(askedMs: number | undefined): number | undefined {
  const deadlineMs = requestContext()?.deadlineMs;
  if (deadlineMs === undefined) return askedMs;
  const leftMs = deadlineMs - Date.now();
  // Connect takes a timeout of zero for none at all.
  if (leftMs <= 0) throw deadlineExceeded();
  return askedMs === undefined ? leftMs : Math.min(askedMs, leftMs);
}

function withIds(given: ConstructorParameters<typeof Headers>[0]): Headers {
  const header = new Headers(given);
  const context = requestContext();
  if (context) {
    header.set("x-request-id", context.requestId);
    header.set("traceparent", context.traceparent);
  }
  return header;
}

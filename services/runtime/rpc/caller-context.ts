// What a call takes along from the request or event that makes it: its ids, no more time than that has left, and whom it is for.
import type { DescMethod } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import type { OwnTokens } from "#runtime/access/own-tokens.ts";
import { newId } from "#runtime/ids.ts";
import { childTraceparent, requestContext, runInContext, type RequestContext } from "#runtime/request-context.ts";
import { forwardedForHeader, insidePeer } from "./client-address.ts";
import { deadlineExceeded } from "./deadline.ts";
import { accessTo, callerInside } from "./identify.ts";

/** How long a unary call between services may take where the caller does not say. Milliseconds. */
export const callTimeoutMs = 5_000;

type HeaderInit = ConstructorParameters<typeof Headers>[0];

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

/** The transport to services of this process: they know the caller by the context, of which work that has none gets one. */
export function insideProcess(inner: Transport, { tenant }: { tenant: string }): Transport {
  const inContext = <Result>(work: () => Result): Result => (requestContext() ? work() : runInContext(ownContext(tenant), work));
  return {
    unary: (...call) => inContext(() => inner.unary(...call)),
    stream: (...call) => inContext(() => inner.stream(...call)),
  };
}

const ownContext = (tenant: string): RequestContext => ({
  requestId: newId("req"),
  traceparent: childTraceparent(undefined),
  tenant,
});

/** The transport to services of other processes: they are shown the caller's token where it opens the method, else our own. */
export function showingToken(inner: Transport, { tenant, ownTokens }: { tenant: string; ownTokens: OwnTokens }): Transport {
  const withToken = async (method: DescMethod, given: HeaderInit): Promise<Headers> => {
    const header = new Headers(given);
    const caller = callerInside(accessTo(method), requestContext() ?? ownContext(tenant));
    header.set("authorization", `Bearer ${caller.token ?? (await ownTokens(caller.tenant))}`);
    return header;
  };
  return {
    unary: async (method, signal, timeoutMs, header, message, values) =>
      inner.unary(method, signal, timeoutMs, await withToken(method, header), message, values),
    stream: async (method, signal, timeoutMs, header, messages, values) =>
      inner.stream(method, signal, timeoutMs, await withToken(method, header), messages, values),
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

function withIds(given: HeaderInit): Headers {
  const header = new Headers(given);
  const context = requestContext();
  if (context) {
    header.set("x-request-id", context.requestId);
    header.set("traceparent", context.traceparent);
    const peer = context.call?.peer ?? insidePeer;
    if (peer !== insidePeer) header.set(forwardedForHeader, peer);
  }
  return header;
}

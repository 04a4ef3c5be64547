// Makes the call and answers with its outcome.
import type { DescMethodServerStreaming, DescMethodUnary, Message } from "@bufbuild/protobuf";
import type { TrustsPeer } from "#runtime/rpc/client-address.ts";
import { sendJson } from "./answer.ts";
import type { Caller, CallOptions } from "./caller.ts";
import type { RoutedExchange } from "./exchange.ts";
import { callHeaders, timeoutMsOf } from "./request-headers.ts";
import { EdgeRefusal, rpcCode } from "./status.ts";
import { ndjson, sendStream, serverSentEvents, wantsEvents, type StreamLimits } from "./stream.ts";

export interface CallLimits {
  /** Deadline of a call whose caller gives none. */
  timeoutMs: number;
  /** Longest deadline that a caller may give. */
  timeoutMsMax: number;
  /** After this a stream ends, resumable, so that none lives for ever and load moves to new processes. */
  streamMsMax: number;
  stream: StreamLimits;
}

export interface CallContext {
  caller: Caller;
  forwardedHeaders: readonly string[];
  /** Whose word about a caller's address is taken. */
  trustsPeer: TrustsPeer;
  limits: CallLimits;
  /** Ends open streams; their callers may resume elsewhere. */
  shutdown: AbortSignal;
}

export async function call(exchange: RoutedExchange, message: Message, context: CallContext): Promise<void> {
  const { request, response, route, requestId } = exchange;
  const timeoutMs = timeoutMsOf(request.headers, context.limits.timeoutMsMax);
  const headers = callHeaders(request, context, requestId);
  const ending = new AbortController();
  const { method } = route;
  response.once("close", () => {
    // After a whole answer a unary call has nothing left to end; a stream may, behind an answer to HEAD.
    if (!response.writableFinished || method.methodKind === "server_streaming") ending.abort();
  });
  if (response.closed) ending.abort();
  if (method.methodKind === "server_streaming") {
    if (!exchange.becomeStream()) throw tooManyStreams();
    await callStream(exchange, method, message, { headers, signal: ending.signal, timeoutMs }, ending, context);
  } else {
    await callUnary(
      exchange,
      method,
      message,
      { headers, signal: ending.signal, timeoutMs: timeoutMs ?? context.limits.timeoutMs },
      context,
    );
  }
}

const tooManyStreams = (): EdgeRefusal =>
  new EdgeRefusal(rpcCode.resourceExhausted, "OVERLOADED", "too many streams at once, try again later");

async function callUnary(
  { request, response, route, headers }: RoutedExchange,
  method: DescMethodUnary,
  message: Message,
  options: CallOptions,
  { caller }: CallContext,
): Promise<void> {
  const answer = await caller.unary(method, message, options);
  sendJson(request, response, route.successStatus, headers, route.print(answer.message));
}

async function callStream(
  { request, response, route, headers, toErrorAnswer }: RoutedExchange,
  method: DescMethodServerStreaming,
  message: Message,
  options: CallOptions,
  ending: AbortController,
  { caller, limits, shutdown }: CallContext,
): Promise<void> {
  const end = (): void => ending.abort();
  // A stream that we end is not one that its caller cancelled: it is to come back.
  const explain = (error: unknown): unknown =>
    ending.signal.aborted ? new EdgeRefusal(rpcCode.unavailable, "STREAM_ENDED", "the stream was ended here, resume it") : error;
  const longest = setTimeout(end, limits.streamMsMax);
  shutdown.addEventListener("abort", end, { once: true });
  if (shutdown.aborted) end();
  try {
    await sendStream({
      response,
      messages: caller.serverStream(method, message, options),
      format: wantsEvents(request.headers.accept) ? serverSentEvents : ndjson,
      print: route.print,
      idOf: route.resume?.idOf,
      resumed: request.headers["last-event-id"] !== undefined,
      headOnly: request.method === "HEAD",
      headers,
      toErrorAnswer: (error) => toErrorAnswer(explain(error)),
      limits: limits.stream,
    });
  } catch (error) {
    throw explain(error);
  } finally {
    clearTimeout(longest);
    shutdown.removeEventListener("abort", end);
  }
}

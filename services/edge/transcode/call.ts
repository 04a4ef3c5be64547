// Makes the call and answers with its outcome.
import type { DescMethodServerStreaming, DescMethodUnary, Message } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { sendBytes } from "./answer.ts";
import type { Caller, CallOptions } from "./caller.ts";
import { encode } from "./coding.ts";
import { sendDownload } from "./download.ts";
import { isKnown } from "./etag.ts";
import type { RoutedExchange } from "./exchange.ts";
import { bytesAnswer, sendBytesStream } from "./http-body.ts";
import { callHeaders, timeoutMsOf } from "./request-headers.ts";
import type { Route } from "./route.ts";
import { EdgeRefusal, rpcCode } from "./status.ts";
import { ndjson, sendStream, serverSentEvents, wantsEvents, type StreamLimits } from "./stream.ts";

export interface CallLimits {
  /** Deadline of a call whose caller gives none. */
  timeoutMs: number;
  /** Longest deadline that a caller may give. */
  timeoutMsMax: number;
  /** Deadline of an upload whose caller gives none, and the longest that one may give. It begins with its call. */
  uploadMsMax: number;
  /** After this a stream ends, resumable, so that none lives for ever and load moves to new processes. */
  streamMsMax: number;
  stream: StreamLimits;
}

export interface CallContext {
  caller: Caller;
  /** Headers of the request, in lower case, that travel to the call; all others stay at the edge. */
  forwardedHeaders: readonly string[];
  /** Headers of the call's answer, in lower case, that travel to the caller; all others stay. */
  returnedHeaders: readonly string[];
  limits: CallLimits;
  /** Ends open streams; their callers may resume elsewhere. */
  shutdown: AbortSignal;
}

/** A call about to be made. */
interface Prepared {
  options: Omit<CallOptions, "timeoutMs">;
  /** Of the caller's own choice. */
  timeoutMs: number | undefined;
  ending: AbortController;
}

export async function call(
  exchange: RoutedExchange,
  method: DescMethodUnary | DescMethodServerStreaming,
  message: Message,
  context: CallContext,
): Promise<void> {
  await withCall(exchange, context, async ({ options, timeoutMs, ending }) => {
    if (method.methodKind === "server_streaming") {
      if (!exchange.becomeStream()) throw tooManyStreams();
      await callStream(exchange, method, message, { ...options, timeoutMs }, ending, context);
    } else {
      const answer = await context.caller.unary(method, message, {
        ...options,
        timeoutMs: timeoutMs ?? context.limits.timeoutMs,
      });
      await answerOnce(exchange, answer);
    }
  });
}

/** Does the work of a call, which ends with its caller. */
export async function withCall(
  exchange: RoutedExchange,
  context: CallContext,
  work: (prepared: Prepared) => Promise<void>,
): Promise<void> {
  const { request, response, route, requestId } = exchange;
  const isUpload = route.method.methodKind === "client_streaming";
  const timeoutMs = timeoutMsOf(request.headers, isUpload ? context.limits.uploadMsMax : context.limits.timeoutMsMax);
  const headers = callHeaders(request, [...context.forwardedHeaders, ...route.requestHeaders], requestId);
  const onHeaders = (answered: Headers): void => {
    for (const name of context.returnedHeaders) {
      const value = answered.get(name);
      if (value !== null) exchange.headers[name] = value;
    }
  };
  const ending = new AbortController();
  response.once("close", () => {
    // After a whole answer a unary call has nothing left to end; a stream may, behind an answer to HEAD.
    if (!response.writableFinished || route.method.methodKind === "server_streaming") ending.abort();
  });
  if (response.closed) ending.abort();
  try {
    await work({ options: { headers, signal: ending.signal, onHeaders }, timeoutMs, ending });
  } catch (error) {
    if (error instanceof ConnectError) onHeaders(error.metadata);
    throw error;
  }
}

export const tooManyStreams = (): EdgeRefusal =>
  new EdgeRefusal(rpcCode.resourceExhausted, "OVERLOADED", "too many streams at once, try again later");

export async function answerOnce(
  { request, response, route, headers: ofExchange }: RoutedExchange,
  answer: Message,
): Promise<void> {
  const etag = route.etagOf?.(answer);
  // A copy may be kept, by the caller alone, and is asked for by its tag before it is used again.
  const headers = etag ? { ...ofExchange, etag, "cache-control": "private, no-cache" } : ofExchange;
  if (etag && isKnown(request, etag)) return sendBytes(request, response, 304, { ...headers, vary: "Accept-Encoding" }, nothing);
  const { contentType, bytes } = printed(route, answer);
  const coded = await encode(request.headers["accept-encoding"], { bytes, contentType, headers });
  sendBytes(request, response, route.successStatus, coded.headers, { contentType, bytes: coded.bytes });
}

const nothing = { contentType: "", bytes: new Uint8Array() };

function printed({ answer: rule }: Route, answer: Message): { contentType: string; bytes: Uint8Array } {
  if (rule.gives === "bytes") return bytesAnswer(rule.bytesOf(answer));
  return { contentType: "application/json", bytes: Buffer.from(rule.print(answer), "utf8") };
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
  const { answer, download } = route;
  try {
    if (answer.gives === "bytes") {
      const { stalledMsMax } = limits.stream;
      const { bytesOf } = answer;
      const again = (asked: Message): AsyncIterable<Message> => caller.serverStream(method, asked, options);
      if (download) await sendDownload({ request, response, download, message, call: again, bytesOf, headers, stalledMsMax });
      else await sendBytesStream({ request, response, parts: mapped(again(message), bytesOf), headers, stalledMsMax });
      return;
    }
    await sendStream({
      response,
      messages: caller.serverStream(method, message, options),
      format: wantsEvents(request.headers.accept) ? serverSentEvents : ndjson,
      print: answer.print,
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

async function* mapped<From, To>(items: AsyncIterable<From>, map: (item: From) => To): AsyncGenerator<To> {
  for await (const item of items) yield map(item);
}

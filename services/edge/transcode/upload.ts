// Client streams: what a request brings goes on to the call while it comes.
import type { DescMethodClientStreaming, Message } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { bindFields } from "./bind.ts";
import { withoutClock } from "./body-clock.ts";
import { answerOnce, tooManyStreams, withCall, type CallContext } from "./call.ts";
import type { RoutedExchange } from "./exchange.ts";
import type { BytesBinder } from "./http-body.ts";
import { assertLines, linesOf } from "./json-lines.ts";
import { isForm, openForm } from "./multipart.ts";
import { hasBody } from "./read-body.ts";
import { openChunks, type RequestChunks } from "./request-chunks.ts";
import { Violations } from "./violations.ts";

export interface UploadLimits {
  /** Bytes of one body that goes on as it comes. */
  streamedBytesMax: number;
  /** How long a caller may let a body that goes on as it comes be waited for, while there is nothing of it. */
  uploadSilentMsMax: number;
  /** Bytes of one line of a body of JSON lines. */
  bodyBytesMax: number;
}

export async function callUpload(
  exchange: RoutedExchange,
  method: DescMethodClientStreaming,
  limits: UploadLimits,
  context: CallContext,
): Promise<void> {
  if (!exchange.becomeStream()) throw tooManyStreams();
  const { request, response } = exchange;
  const chunks = openChunks(request, response, { bytesMax: limits.streamedBytesMax, silentMsMax: limits.uploadSilentMsMax });
  let failure: unknown;
  try {
    const messages = await messagesOf(exchange, chunks, limits);
    await withCall(exchange, context, async ({ options, timeoutMs, ending }) => {
      const told = wholeOrFailing(messages, (error) => {
        failure = error;
        ending.abort();
      });
      // From here on the caller is known to its service, and may be as slow as its connection is.
      const answer = await withoutClock(request, () =>
        context.caller.clientStream(method, told, { ...options, timeoutMs: timeoutMs ?? context.limits.uploadMsMax }),
      );
      await answerOnce(exchange, answer);
    });
  } catch (error) {
    // What was wrong with the body is why the call was ended, however it says that it was.
    throw failure ?? error;
  } finally {
    chunks.release();
  }
}

/**
 * The same items, to their end or to an error. A call whose deadline passes tells what it sends to stop and goes on to ask it; a
 * generator would answer that this was all, and its service would take a part for the whole.
 */
function wholeOrFailing<Item>(items: AsyncIterable<Item>, onFailure: (error: unknown) => void): AsyncIterableIterator<Item> {
  const inner = items[Symbol.asyncIterator]();
  let stopped: { reason: unknown } | undefined;
  const stop = (reason: unknown): void => {
    stopped ??= { reason };
    inner.return?.().catch(() => {});
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        const result = await inner.next();
        if (stopped) throw stopped.reason;
        return result;
      } catch (error) {
        if (!stopped) onFailure(error);
        throw error;
      }
    },
    throw(reason) {
      stop(reason);
      return Promise.reject(reason as Error);
    },
    return() {
      stop(new Error("it was not read to its end"));
      return Promise.resolve({ done: true, value: undefined });
    },
  };
}

async function messagesOf(
  exchange: RoutedExchange,
  chunks: RequestChunks,
  limits: UploadLimits,
): Promise<AsyncIterable<Message>> {
  const { body } = exchange.route;
  if (body.takes === "bytes") return bytesMessages(exchange, chunks, body.bind);
  assertLines(exchange.request.headers["content-type"] ?? "");
  return linesOf(exchange, chunks, limits.bodyBytesMax);
}

/**
 * The first message has what path, query and the fields of a form say, the others have the bytes. What a form says behind its file
 * is in a last message of its own.
 */
async function bytesMessages(
  exchange: RoutedExchange,
  chunks: RequestChunks,
  bind: BytesBinder,
): Promise<AsyncIterable<Message>> {
  const { request, route } = exchange;
  const type = request.headers["content-type"] ?? "";
  const plain = { contentType: type, chunks, before: "", after: () => "" };
  const body = hasBody(request) && isForm(type) ? await openForm(type, chunks) : plain;
  const early = joined(exchange.search, body.before);
  const first = bind(new Uint8Array(), body.contentType);
  bindFields({ ...exchange, search: early }, first, new Violations());

  return (async function* () {
    yield first;
    for await (const chunk of body.chunks) yield bind(chunk, body.contentType);
    const late = body.after();
    if (late === "") return;
    // With all that came before, so that nothing is said twice.
    const { input } = route.method;
    bindFields({ ...exchange, search: joined(early, late) }, create(input), new Violations());
    const last = create(input);
    route.bindQuery(late, last, new Violations());
    yield last;
  })();
}

const joined = (...queries: string[]): string => queries.filter((query) => query !== "").join("&");

// Turns an HTTP request into a call and its outcome into an answer, by the routes that the contracts declare.
import type { IncomingMessage, ServerResponse } from "node:http";
import { createRegistry, type DescFile, type DescService, type Message, type Registry } from "@bufbuild/protobuf";
import { file_google_rpc_error_details } from "#gen/google/rpc/error_details_pb.ts";
import { sendError, sendJson } from "./answer.ts";
import type { Caller } from "./caller.ts";
import { toErrorAnswer, type ErrorAnswer } from "./errors.ts";
import type { Fields } from "./field-path.ts";
import { readBody, refuseBody, type BodyBudget } from "./read-body.ts";
import { callHeaders, requestIdOf, timeoutMsOf } from "./request-headers.ts";
import { compileRoutes, type Route } from "./route.ts";
import { EdgeRefusal, invalidRequest, rpcCode } from "./status.ts";
import { ndjson, sendStream, serverSentEvents, wantsEvents, type StreamLimits } from "./stream.ts";
import { Violations } from "./violations.ts";

export interface TranscoderLimits {
  /** Bytes of one body. */
  bodyBytesMax: number;
  /** Bytes of all bodies that are being read. */
  bodiesBytesMax: number;
  /** Deadline of a call whose caller gives none. */
  timeoutMs: number;
  /** Longest deadline that a caller may give. */
  timeoutMsMax: number;
  /** After this a stream ends, resumable, so that none lives for ever and load moves to new processes. */
  streamMsMax: number;
  /** Calls at one time, streams included. */
  callsMax: number;
  stream: StreamLimits;
}

export const defaultLimits: TranscoderLimits = {
  bodyBytesMax: 4_194_304,
  bodiesBytesMax: 268_435_456,
  timeoutMs: 10_000,
  timeoutMsMax: 300_000,
  streamMsMax: 3_600_000,
  callsMax: 10_000,
  stream: { headerWaitMs: 1_000, heartbeatMs: 15_000, stalledMsMax: 60_000 },
};

export interface TranscoderOptions {
  services: readonly DescService[];
  caller: Caller;
  /** Domain of ErrorInfo in the edge's own refusals. */
  errorDomain: string;
  newRequestId: () => string;
  /** Request headers, in lower case, that travel to the call; all others stay at the edge. */
  forwardedHeaders: readonly string[];
  limits: TranscoderLimits;
  /** Ends open streams; their callers may resume elsewhere. */
  shutdown: AbortSignal;
  /** Hears of what was not foreseen; the caller only reads "internal error". */
  onUnexpected: (error: unknown, context: { method: string; requestId: string }) => void;
}

export interface Transcoder {
  /** Never rejects: every outcome is an answer. */
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
}

export function createTranscoder(options: TranscoderOptions): Transcoder {
  const registry = registryOf(options.services);
  const routes = compileRoutes(options.services, registry);
  const bodies: BodyBudget = { bytes: 0, bytesMax: options.limits.bodiesBytesMax };
  const errorOptions = { registry, domain: options.errorDomain };
  let calls = 0;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = requestIdOf(request.headers, options.newRequestId);
    const headers = { "x-request-id": requestId };
    let route: Route | undefined;
    const answerOf = (error: unknown): ErrorAnswer => {
      const answer = toErrorAnswer(error, errorOptions);
      const method = route ? `${route.method.parent.typeName}.${route.method.name}` : "";
      if (answer.unexpected) options.onUnexpected(error, { method, requestId });
      return answer;
    };
    calls += 1;
    try {
      if (calls > options.limits.callsMax)
        throw new EdgeRefusal(rpcCode.unavailable, "OVERLOADED", "too many requests at once, try again");
      const { path, search } = splitTarget(request.url ?? "/");
      const method = request.method === "HEAD" ? "GET" : (request.method ?? "GET");
      const found = routes.find(method, path);
      if (found.kind === "not_found") throw new EdgeRefusal(rpcCode.notFound, "ROUTE_NOT_FOUND", "there is nothing at this path");
      if (found.kind === "method_not_allowed") {
        const allow = allowHeader(found.allow);
        if (method === "OPTIONS") return void response.writeHead(204, { ...headers, allow }).end();
        throw new EdgeRefusal(rpcCode.unimplemented, "METHOD_NOT_ALLOWED", `this path takes ${allow}`, {
          httpStatus: 405,
          headers: { allow },
        });
      }
      route = found.route;
      const message = await bind(request, response, route, found.segments, search);
      await call(request, response, route, message, headers, answerOf);
    } catch (error) {
      sendError(request, response, answerOf(error), headers);
    } finally {
      calls -= 1;
    }
  }

  /** Body first, then query, then path: nothing that a caller sends may override what the path said. */
  async function bind(
    request: IncomingMessage,
    response: ServerResponse,
    route: Route,
    segments: readonly string[],
    search: string,
  ): Promise<Message> {
    const limits = { bytesMax: options.limits.bodyBytesMax, budget: bodies };
    const text = route.takesBody ? await readBody(request, response, limits) : await refuseBody(request).then(() => "");
    const violations = new Violations();
    const message = route.bindBody(text, violations);
    const fields: Fields = message;
    if (search !== "") route.bindQuery(search, fields, violations);
    const lastEventId = request.headers["last-event-id"];
    if (typeof lastEventId === "string" && lastEventId !== "") route.resume?.bind(lastEventId, fields, violations);
    route.bindPath(segments, fields, violations);
    if (violations.list.length > 0) throw invalidRequest(violations.list);
    route.bindIdempotencyKey?.(request.headers, fields);
    return message;
  }

  async function call(
    request: IncomingMessage,
    response: ServerResponse,
    route: Route,
    message: Message,
    headers: Record<string, string>,
    answerOf: (error: unknown) => ErrorAnswer,
  ): Promise<void> {
    const given = timeoutMsOf(request.headers, options.limits.timeoutMsMax);
    const sent = callHeaders(request, options.forwardedHeaders, headers["x-request-id"] ?? "");
    const gone = new AbortController();
    // Also emitted after a whole answer, when there is nothing left to abort.
    response.once("close", () => gone.abort());
    if (response.destroyed) gone.abort();
    const { method } = route;
    if (method.methodKind === "unary") {
      const timeoutMs = given ?? options.limits.timeoutMs;
      const answer = await options.caller.unary(method, message, { headers: sent, signal: gone.signal, timeoutMs });
      sendJson(request, response, route.successStatus, headers, route.print(answer.message));
      return;
    }
    const ended = AbortSignal.any([gone.signal, options.shutdown, AbortSignal.timeout(options.limits.streamMsMax)]);
    const messages = options.caller.serverStream(method, message, { headers: sent, signal: ended, timeoutMs: given });
    await sendStream({
      response,
      messages,
      format: wantsEvents(request.headers.accept) ? serverSentEvents : ndjson,
      print: route.print,
      idOf: route.resume?.idOf,
      resumed: request.headers["last-event-id"] !== undefined,
      headOnly: request.method === "HEAD",
      headers,
      // A stream that we end is not one that its caller cancelled: it is to come back.
      toErrorAnswer: (error) =>
        answerOf(
          ended.aborted ? new EdgeRefusal(rpcCode.unavailable, "STREAM_ENDED", "the stream was ended here, resume it") : error,
        ),
      limits: options.limits.stream,
    });
  }

  return { handle };
}

/** Path and query of a request target, which a proxy may send with scheme and host. */
function splitTarget(target: string): { path: string; search: string } {
  const local = target.startsWith("/") ? target : target.replace(/^https?:\/\/[^/?]*/i, "");
  const mark = local.indexOf("?");
  const path = mark < 0 ? local : local.slice(0, mark);
  return { path: path.startsWith("/") ? path : `/${path}`, search: mark < 0 ? "" : local.slice(mark + 1) };
}

function allowHeader(methods: readonly string[]): string {
  return [...methods, ...(methods.includes("GET") ? ["HEAD"] : []), "OPTIONS"].toSorted().join(", ");
}

/** All types of the services' files and of what they import, and the standard error details. */
function registryOf(services: readonly DescService[]): Registry {
  const files = new Map<string, DescFile>();
  const visit = (file: DescFile): void => {
    if (files.has(file.name)) return;
    files.set(file.name, file);
    file.dependencies.forEach(visit);
  };
  services.forEach((service) => visit(service.file));
  visit(file_google_rpc_error_details);
  return createRegistry(...files.values());
}

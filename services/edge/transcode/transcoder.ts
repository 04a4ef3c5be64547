// Turns an HTTP request into a call and its outcome into an answer, by the routes that the contracts declare.
import { setMaxListeners } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createRegistry, type DescFile, type DescService, type Registry } from "@bufbuild/protobuf";
import { file_google_rpc_error_details } from "#gen/google/rpc/error_details_pb.ts";
import { sendError } from "./answer.ts";
import { bindRequest } from "./bind.ts";
import { failedCondition } from "./etag.ts";
import { call, type CallContext, type CallLimits } from "./call.ts";
import { toErrorAnswer } from "./errors.ts";
import type { BecomeStream, Exchange } from "./exchange.ts";
import { requestIdOf } from "./request-headers.ts";
import { compileRoutes, type Route } from "./route.ts";
import type { RoutingTree } from "./routing-tree.ts";
import { EdgeRefusal, rpcCode } from "./status.ts";
import { takeTicket, type Tickets } from "./ticket.ts";
import { callUpload, type UploadLimits } from "./upload.ts";

export interface TranscoderLimits extends CallLimits, UploadLimits {
  /** Bytes of one body that is read as a whole, or of one line of others. */
  bodyBytesMax: number;
  /** Bytes of all bodies that are being read. */
  bodiesBytesMax: number;
  /** Calls at one time, streams included. */
  callsMax: number;
}

export const defaultLimits: TranscoderLimits = {
  bodyBytesMax: 4_194_304,
  bodiesBytesMax: 268_435_456,
  streamedBytesMax: 104_857_600,
  timeoutMs: 10_000,
  timeoutMsMax: 300_000,
  // As long as a token lives.
  uploadMsMax: 600_000,
  // Less than the RPC port waits, so that it is the edge that says so.
  uploadSilentMsMax: 20_000,
  streamMsMax: 3_600_000,
  callsMax: 10_000,
  stream: { headerWaitMs: 1_000, heartbeatMs: 15_000, stalledMsMax: 60_000 },
};

export interface TranscoderOptions extends CallContext {
  services: readonly DescService[];
  /** Files of types that answers may name, beyond those that the services' files import. */
  files?: readonly DescFile[] | undefined;
  /** Domain of ErrorInfo in the edge's own refusals. */
  errorDomain: string;
  newRequestId: () => string;
  limits: TranscoderLimits;
  /** Without it every stream wants its header. */
  tickets?: Tickets | undefined;
  /** Hears of what was not foreseen; the caller only reads "internal error". */
  onUnexpected: (error: unknown, context: { path: string; requestId: string }) => void;
}

export interface Transcoder {
  /** Every outcome is an answer. */
  handle: (request: IncomingMessage, response: ServerResponse, becomeStream?: BecomeStream) => Promise<void>;
}

/** @throws ContractError where HTTP rules of the services cannot be served. */
export function createTranscoder(options: TranscoderOptions): Transcoder {
  const registry = registryOf([...options.services.map(({ file }) => file), ...(options.files ?? [])]);
  const routes = compileRoutes(options.services, registry);
  const errorOptions = { registry, domain: options.errorDomain };
  const bodyLimits = {
    bytesMax: options.limits.bodyBytesMax,
    budget: { bytes: 0, bytesMax: options.limits.bodiesBytesMax },
  };
  let calls = 0;
  // Every open stream listens, and there may be as many as calls.
  setMaxListeners(0, options.shutdown);

  return {
    async handle(request, response, becomeStream = () => true) {
      const requestId = requestIdOf(request.headers, options.newRequestId);
      const { path, search } = splitTarget(request.url ?? "/");
      const exchange: Exchange = {
        request,
        response,
        requestId,
        headers: { "x-request-id": requestId },
        becomeStream,
        toErrorAnswer: (error) => {
          const answer = failedCondition(request, toErrorAnswer(error, errorOptions));
          if (answer.unexpected) options.onUnexpected(error, { path, requestId });
          return answer;
        },
      };
      calls += 1;
      try {
        if (calls > options.limits.callsMax) {
          throw new EdgeRefusal(rpcCode.unavailable, "OVERLOADED", "too many requests at once, try again");
        }
        const found = findRoute(routes, exchange, path);
        if (!found) return;
        const left = await takeTicket(exchange, { route: found.route, path, search }, options.tickets);
        const routed = { ...exchange, ...found, search: left };
        const { method } = routed.route;
        if (method.methodKind === "client_streaming") await callUpload(routed, method, options.limits, options);
        else await call(routed, method, await bindRequest(routed, bodyLimits), options);
      } catch (error) {
        sendError(request, response, exchange.toErrorAnswer(error), exchange.headers);
      } finally {
        calls -= 1;
      }
    },
  };
}

/** Undefined where the answer is given already. */
function findRoute(
  routes: RoutingTree<Route>,
  { request, response, headers }: Exchange,
  path: string,
): { route: Route; segments: readonly string[] } | undefined {
  const method = request.method === "HEAD" ? "GET" : (request.method ?? "GET");
  const found = routes.find(method, path);
  switch (found.kind) {
    case "found":
      return found;
    case "not_found":
      throw new EdgeRefusal(rpcCode.notFound, "ROUTE_NOT_FOUND", "there is nothing at this path");
    case "method_not_allowed": {
      const allow = allowHeader(found.allow);
      if (method === "OPTIONS") {
        // The second is read by browsers alone, where the origin of a page is allowed at all.
        response.writeHead(204, { ...headers, allow, "access-control-allow-methods": allow }).end();
        return undefined;
      }
      throw new EdgeRefusal(rpcCode.unimplemented, "METHOD_NOT_ALLOWED", `this path takes ${allow}`, {
        httpStatus: 405,
        headers: { allow },
      });
    }
  }
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

/** All types of the files and of what they import, and the standard error details. */
function registryOf(roots: readonly DescFile[]): Registry {
  const files = new Map<string, DescFile>();
  const visit = (file: DescFile): void => {
    if (files.has(file.name)) return;
    files.set(file.name, file);
    file.dependencies.forEach(visit);
  };
  roots.forEach(visit);
  visit(file_google_rpc_error_details);
  return createRegistry(...files.values());
}

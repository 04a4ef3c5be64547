// Connect and gRPC-Web straight from pages of other origins. https://connectrpc.com/docs/cors
import { cors as connectCors } from "@connectrpc/connect";
import { isPreflight, readCors, type CorsHeaders } from "../cors.ts";
import { limitHeader, policyHeader } from "../limits/rate-limited.ts";
import type { Environment } from "../settings.ts";
import type { HttpHandler } from "./http-handler.ts";

const headers: CorsHeaders = {
  request: [...connectCors.allowedHeaders, "authorization", "traceparent", "tracestate", "x-request-id"],
  exposed: [...connectCors.exposedHeaders, "retry-after", "x-request-id", policyHeader, limitHeader],
};

/**
 * Answers preflights itself, where their origin may call.
 *
 * @throws StartupError where ORDERMESH_CORS_ORIGINS has an entry that is no origin.
 */
export function withCors(answer: HttpHandler, env: Environment): HttpHandler {
  const cors = readCors(env, headers);
  return (request, response) => {
    cors(request, response);
    if (isPreflight(request) && response.hasHeader("access-control-allow-origin")) {
      response.setHeader("access-control-allow-methods", connectCors.allowedMethods.join(", "));
      response.writeHead(204);
      response.end();
      return;
    }
    answer(request, response);
  };
}

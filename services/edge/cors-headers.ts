// What a page of another origin may send to the edge and read of its answers.
import type { CorsHeaders } from "#runtime/cors.ts";

/** Request headers that mean something here; a page may send no others. */
const request = [
  "authorization",
  "content-type",
  "idempotency-key",
  "if-match",
  "if-none-match",
  "last-event-id",
  "traceparent",
  "tracestate",
  "x-request-id",
  "x-server-timeout",
];
/** What a page may read beyond content-type and its like. */
const exposed = [
  "etag",
  "location",
  "ratelimit",
  "ratelimit-limit",
  "ratelimit-policy",
  "ratelimit-remaining",
  "ratelimit-reset",
  "retry-after",
  "www-authenticate",
  "x-request-id",
];

export const corsHeaders: CorsHeaders = { request, exposed };

// Which other origins' pages may read our answers. https://fetch.spec.whatwg.org/#http-cors-protocol
import type { IncomingHttpHeaders } from "node:http";
import { StartupError } from "./backing/startup-error.ts";
import type { Environment } from "./settings.ts";

/** Browsers keep the answer to a preflight for two hours at most. */
const maxAgeSeconds = 7_200;

export interface CorsHeaders {
  /** Request headers that mean something here; a page may send no others. */
  request: readonly string[];
  /** What a page may read beyond content-type and its like. */
  exposed: readonly string[];
}

/** Of either HTTP version. */
interface Asked {
  method?: string | undefined;
  headers: IncomingHttpHeaders;
}

/** Puts the headers of the protocol on an answer before it begins. */
export type Cors = (request: Asked, response: { setHeader(name: string, value: string): unknown }) => void;

export const isPreflight = ({ method, headers }: Asked): boolean =>
  method === "OPTIONS" && headers["access-control-request-method"] !== undefined;

/**
 * From ORDERMESH_CORS_ORIGINS: origins parted by commas, "*" for all, none where it is not set. Credentials are never allowed:
 * there are no cookies, and a token in a header needs no such permission. The methods of a path come from who answers OPTIONS.
 *
 * @throws StartupError where an entry is no origin.
 */
export function readCors(env: Environment, headers: CorsHeaders): Cors {
  const entries = (env["ORDERMESH_CORS_ORIGINS"] ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  if (entries.length === 0) return () => {};
  const all = entries.includes("*");
  const origins = new Set(all ? [] : entries.map(originOf));
  const [allowed, exposed] = [headers.request.join(", "), headers.exposed.join(", ")];
  return (request, response) => {
    // Also where there is no origin: a cache must not give that answer to a page.
    if (!all) response.setHeader("vary", "Origin");
    const { origin } = request.headers;
    if (origin === undefined || !(all || origins.has(origin))) return;
    response.setHeader("access-control-allow-origin", all ? "*" : origin);
    if (isPreflight(request)) {
      response.setHeader("access-control-allow-headers", allowed);
      response.setHeader("access-control-max-age", String(maxAgeSeconds));
    } else response.setHeader("access-control-expose-headers", exposed);
  };
}

function originOf(entry: string): string {
  const url = URL.parse(entry);
  if (url && !entry.includes("*") && ["http:", "https:"].includes(url.protocol) && url.origin === entry) return entry;
  throw new StartupError(
    `ORDERMESH_CORS_ORIGINS has "${entry}"; set it to origins such as https://shop.example,http://localhost:5173, or to "*".`,
  );
}

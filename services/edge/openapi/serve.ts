// GET /openapi.json: the contracts as a document of OpenAPI, which `npm run generate` writes.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { StartupError } from "#runtime/backing/startup-error.ts";
import { sendBytes } from "../transcode/answer.ts";
import { encode } from "../transcode/coding.ts";
import { isKnown } from "../transcode/etag.ts";

const path = "/openapi.json";

/** Answers what is for it, and says whether it has. */
export type OpenapiEndpoint = (request: IncomingMessage, response: ServerResponse) => Promise<boolean>;

/** @throws StartupError where the file cannot be read. */
export function createOpenapiEndpoint(file: URL): OpenapiEndpoint {
  const bytes = read(file);
  const etag = `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`;
  const headers = { etag, "cache-control": "no-cache" };
  const contentType = "application/json";
  return async (request, response) => {
    const isForIt = request.url?.split("?", 1)[0] === path && (request.method === "GET" || request.method === "HEAD");
    if (!isForIt) return false;
    if (isKnown(request, etag)) {
      sendBytes(request, response, 304, headers, { contentType, bytes: new Uint8Array() });
      return true;
    }
    const coded = await encode(request.headers["accept-encoding"], { bytes, contentType, headers });
    sendBytes(request, response, 200, coded.headers, { contentType, bytes: coded.bytes });
    return true;
  };
}

function read(file: URL): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new StartupError(`The edge cannot read ${file.pathname} (${(error as Error).message}): run "npm run generate".`);
  }
}

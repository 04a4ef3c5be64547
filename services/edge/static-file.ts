// A file that is the same for everybody and for as long as the process lives: read once, and compressed once for each coding.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { StartupError } from "#runtime/backing/startup-error.ts";
import { sendBytes } from "./transcode/answer.ts";
import { encode } from "./transcode/coding.ts";
import { isKnown } from "./transcode/etag.ts";

export interface StaticFile {
  /** Of the address, such as /openapi.json. */
  path: string;
  file: URL;
  contentType: string;
  /** Beside those of every answer. */
  headers?: Readonly<Record<string, string>>;
}

/** Answers what is for it, and says whether it has. */
export type StaticEndpoint = (request: IncomingMessage, response: ServerResponse) => Promise<boolean>;

/** @throws StartupError where a file cannot be read. */
export function serveFiles(files: readonly StaticFile[]): StaticEndpoint {
  const served = new Map(files.map((file) => [file.path, prepare(file)]));
  return async (request, response) => {
    const isRead = request.method === "GET" || request.method === "HEAD";
    const answer = isRead ? served.get(request.url?.split("?", 1)[0] ?? "") : undefined;
    if (!answer) return false;
    await answer(request, response);
    return true;
  };
}

function prepare({ file, contentType, headers: own }: StaticFile) {
  const bytes = read(file);
  const etag = `"${createHash("sha256").update(bytes).digest("base64url").slice(0, 22)}"`;
  const headers = { ...own, etag, "cache-control": "no-cache" };
  const coded = new Map<string, ReturnType<typeof encode>>();
  const codedFor = (accepted: string): ReturnType<typeof encode> => {
    const known = coded.get(accepted) ?? encode(accepted, { bytes, contentType, headers });
    // Callers may write the header in as many ways as they like.
    if (coded.size < codingsMax) coded.set(accepted, known);
    return known;
  };
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (isKnown(request, etag)) {
      return sendBytes(request, response, 304, headers, { contentType, bytes: new Uint8Array() });
    }
    const answer = await codedFor(request.headers["accept-encoding"]?.toString() ?? "");
    sendBytes(request, response, 200, answer.headers, { contentType, bytes: answer.bytes });
  };
}

/** Ways to write Accept-Encoding whose answers are kept. */
const codingsMax = 8;

function read(file: URL): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new StartupError(
      `The edge cannot read ${file.pathname} (${(error as Error).message}): run "npm ci" and "npm run generate".`,
    );
  }
}

// Writes whole answers, also to callers that are still sending.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ErrorAnswer } from "./errors.ts";
import { hasBody } from "./read-body.ts";

export type AnswerHeaders = Record<string, string>;

/** A body up to this size is taken in and thrown away, so that the connection can be kept. Bytes. */
const unreadBytesKept = 65_536;
/** A caller that is told "too large" may go on sending so much, and so long, before the connection is cut. */
const lingerBytesMax = 67_108_864;
const lingerMs = 30_000;

export function sendJson(
  request: IncomingMessage,
  response: ServerResponse,
  httpStatus: number,
  headers: AnswerHeaders,
  json: string,
): void {
  sendBytes(request, response, httpStatus, headers, { contentType: "application/json", bytes: Buffer.from(json, "utf8") });
}

export function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  httpStatus: number,
  headers: AnswerHeaders,
  { contentType, bytes: body }: { contentType: string; bytes: Uint8Array },
): void {
  if (response.headersSent || response.destroyed) return;
  const bodiless = httpStatus === 204 || httpStatus === 205 || httpStatus === 304;
  const all: AnswerHeaders = { ...headers, "x-content-type-options": "nosniff" };
  if (!bodiless) {
    all["content-type"] = contentType;
    all["content-length"] = String(body.length);
  }
  const varies = response.getHeader("vary");
  if (all["vary"] && typeof varies === "string") all["vary"] = `${varies}, ${all["vary"]}`;
  const unread = !request.complete && hasBody(request);
  const small = Number(request.headers["content-length"] ?? Infinity) <= unreadBytesKept && request.headers.expect === undefined;
  if (!unread || small) {
    response.writeHead(httpStatus, all).end(bodiless ? undefined : body);
    request.resume();
    return;
  }
  response.writeHead(httpStatus, { ...all, connection: "close" });
  if (!bodiless) response.write(body);
  linger(request, response);
}

/**
 * The answer is out, by its length, while the caller still sends. Closing now would reset the connection, and the reset can
 * overtake the answer; so what comes is thrown away first, within bounds.
 */
function linger(request: IncomingMessage, response: ServerResponse): void {
  let bytes = 0;
  const finish = (): void => {
    clearTimeout(timer);
    request.off("data", onData).off("end", finish).off("close", finish).off("error", finish);
    response.end();
  };
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > lingerBytesMax) finish();
  };
  const timer = setTimeout(finish, lingerMs).unref();
  request.on("data", onData).once("end", finish).once("close", finish).once("error", finish);
  request.resume();
}

export function sendError(request: IncomingMessage, response: ServerResponse, answer: ErrorAnswer, headers: AnswerHeaders): void {
  sendJson(
    request,
    response,
    answer.httpStatus,
    { ...headers, ...answer.headers, "cache-control": "no-store" },
    JSON.stringify(answer.status),
  );
}

// Reads a request's body within bounds.
import { isUtf8 } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import { codingOf, expand } from "./coding.ts";
import { EdgeRefusal, rpcCode } from "./status.ts";

/** Bytes of bodies that are in memory at one time, over all requests. */
export interface BodyBudget {
  bytes: number;
  readonly bytesMax: number;
}

export interface BodyLimits {
  bytesMax: number;
  budget: BodyBudget;
}

export const hasBody = (request: IncomingMessage): boolean => {
  const length = request.headers["content-length"];
  return request.headers["transfer-encoding"] !== undefined || (length !== undefined && Number(length) !== 0);
};

/** The body as text; "" where there is none. */
export async function readJsonBody(request: IncomingMessage, response: ServerResponse, limits: BodyLimits): Promise<string> {
  if (!hasBody(request)) return "";
  assertJsonType(request);
  const bytes = await readAll(request, response, limits);
  if (!isUtf8(bytes)) throw new EdgeRefusal(rpcCode.invalidArgument, "MALFORMED_JSON", "the body is not UTF-8");
  const text = bytes.toString("utf8");
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

/** The body as it came, whatever its type; empty where there is none. */
export async function readBytesBody(request: IncomingMessage, response: ServerResponse, limits: BodyLimits): Promise<Buffer> {
  if (!hasBody(request)) return Buffer.alloc(0);
  return readAll(request, response, limits);
}

async function readAll(request: IncomingMessage, response: ServerResponse, limits: BodyLimits): Promise<Buffer> {
  const { bytesMax } = limits;
  const coding = codingOf(request.headers);
  // A body that says that it is too large is refused before a byte of it is taken.
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) throw bodyTooLarge(bytesMax);
  if (request.headers.expect?.toLowerCase() === "100-continue") response.writeContinue();
  const bytes = await collect(request, limits);
  return coding ? expandWithin(bytes, coding, limits) : bytes;
}

/** What a few bytes will become is not known before: room is kept for the most that it may be. */
async function expandWithin(bytes: Buffer, coding: string, { bytesMax, budget }: BodyLimits): Promise<Buffer> {
  if (budget.bytes + bytesMax > budget.bytesMax) throw overloaded();
  budget.bytes += bytesMax;
  try {
    return await expand(bytes, { coding, bytesMax, tooLarge: () => bodyTooLarge(bytesMax) });
  } finally {
    budget.bytes -= bytesMax;
  }
}

/** For a method without a body: an empty one is no body, and its text is "". */
export async function refuseBody(request: IncomingMessage): Promise<""> {
  if (!hasBody(request)) return "";
  const refusal = new EdgeRefusal(rpcCode.invalidArgument, "BODY_NOT_ALLOWED", "this method takes no body");
  if (request.headers["content-length"] !== undefined) throw refusal;
  const bytes = await collect(request, { bytesMax: 0, budget: { bytes: 0, bytesMax: Number.MAX_SAFE_INTEGER } }).catch(
    () => undefined,
  );
  if (bytes === undefined) throw refusal;
  return "";
}

/**
 * JSON only, and said so: a page of another origin can send text/plain or nothing without asking, but not application/json.
 */
function assertJsonType(request: IncomingMessage): void {
  const type = request.headers["content-type"] ?? "";
  if (/^\s*application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.test(type)) return;
  throw new EdgeRefusal(rpcCode.invalidArgument, "UNSUPPORTED_MEDIA_TYPE", "send the body as Content-Type: application/json", {
    httpStatus: 415,
    headers: { "accept-post": "application/json" },
  });
}

export function bodyTooLarge(bytesMax: number): EdgeRefusal {
  return new EdgeRefusal(rpcCode.invalidArgument, "BODY_TOO_LARGE", `the body is larger than ${bytesMax} bytes`, {
    httpStatus: 413,
    metadata: { bytesMax: String(bytesMax) },
  });
}

export const bodyIncomplete = (): EdgeRefusal => new EdgeRefusal(rpcCode.cancelled, "BODY_INCOMPLETE", "the body ended early");

const overloaded = (): EdgeRefusal =>
  new EdgeRefusal(rpcCode.unavailable, "OVERLOADED", "too many large requests at once, try again");

/** All bytes of a body, up to the bounds. Throws EdgeRefusal beyond them. */
export function collect(request: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  const { bytesMax, budget } = limits;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const finish = (outcome: () => void): void => {
      request.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onClose);
      budget.bytes -= bytes;
      outcome();
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      budget.bytes += chunk.length;
      if (bytes > bytesMax) {
        request.pause();
        finish(() => reject(bodyTooLarge(bytesMax)));
      } else if (budget.bytes > budget.bytesMax) {
        request.pause();
        finish(() => reject(overloaded()));
      } else {
        chunks.push(chunk);
      }
    };
    const onEnd = (): void => finish(() => resolve(Buffer.concat(chunks, bytes)));
    const onClose = (): void => {
      finish(() => reject(bodyIncomplete()));
    };
    request.on("data", onData).once("end", onEnd).once("close", onClose).once("error", onClose);
  });
}

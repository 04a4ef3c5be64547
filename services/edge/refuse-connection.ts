// Refusals of what is no request: by the parser, or by rules of HTTP that the parser leaves to us.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { doubledHeader } from "#runtime/rpc/doubled-headers.ts";

interface Refusal {
  status: number;
  phrase: string;
  message: string;
}

const malformed = { status: 400, phrase: "Bad Request" };
const parserRefusals: Record<string, Refusal> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    phrase: "Request Header Fields Too Large",
    message: "the request's headers or its address are too long",
  },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: {
    status: 413,
    phrase: "Content Too Large",
    message: "the extensions of the body's chunks are too long",
  },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, phrase: "Request Timeout", message: "the request did not arrive in time" },
};

/** The answer that was last begun on a connection. */
const lastAnswers = new WeakMap<Duplex, ServerResponse>();

/**
 * True where the request may be answered. After an answer that ends its connection nothing more that has come on it is
 * processed (RFC 9112, 9.6): it may be a part of what was refused.
 */
export function mayAnswer({ socket }: IncomingMessage, response: ServerResponse): boolean {
  const before = lastAnswers.get(socket);
  if (before?.headersSent && isLast(before)) return false;
  lastAnswers.set(socket, response);
  return true;
}

const isLast = (answer: ServerResponse): boolean => answer.getHeader("connection") === "close";

/** What cannot be parsed as HTTP has no response object; the answer is written by hand, in the shape of all others. */
export function refuseConnection(
  error: NodeJS.ErrnoException,
  socket: Duplex,
  options: { domain: string; headers: Readonly<Record<string, string>> },
): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  if (isSpeaking(lastAnswers.get(socket))) {
    socket.end();
    return;
  }
  const refusal = parserRefusals[error.code ?? ""] ?? { ...malformed, message: "the request is not valid HTTP" };
  const body = bodyOf(refusal, options.domain);
  const headers = {
    ...options.headers,
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    "cache-control": "no-store",
    connection: "close",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  socket.end(`HTTP/1.1 ${refusal.status} ${refusal.phrase}\r\n${lines.join("\r\n")}\r\n\r\n${body}`);
  // Whoever does not close is closed.
  setTimeout(() => socket.destroy(), 1_000).unref();
}

/** A refusal in the middle of an answer would be read as a part of it, and one after the last as the answer to something else. */
function isSpeaking(answer: ServerResponse | undefined): boolean {
  return answer?.headersSent === true && (!answer.writableFinished || isLast(answer));
}

/** Rules that the parser does not know. */
export function requestProblem({ httpVersion, rawHeaders, headers }: IncomingMessage): Refusal | undefined {
  const doubled = doubledHeader(rawHeaders);
  if (doubled !== undefined) return { ...malformed, message: `the request has the header ${doubled} twice` };
  // RFC 9112, 3.2
  if (headers.host === undefined && httpVersion === "1.1") return { ...malformed, message: "the request names no host" };
  // RFC 9112, 6.1: no other coding is known here, and one that is not understood hides where the body ends.
  const coding = headers["transfer-encoding"];
  if (coding !== undefined && coding.toLowerCase() !== "chunked") {
    return { status: 501, phrase: "Not Implemented", message: "the only transfer coding here is chunked" };
  }
  // RFC 9110, 10.1.1
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== "100-continue") {
    return { status: 417, phrase: "Expectation Failed", message: "the only expectation here is 100-continue" };
  }
  return undefined;
}

/** The connection ends with the answer: what follows on it cannot be trusted to be a request. */
export function refuseRequest(refusal: Refusal, response: ServerResponse, domain: string): void {
  const body = Buffer.from(bodyOf(refusal, domain));
  const headers = { "content-type": "application/json", "content-length": body.length, "cache-control": "no-store" };
  response.writeHead(refusal.status, { ...headers, connection: "close" }).end(body);
}

function bodyOf({ message }: Refusal, domain: string): string {
  const info = { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "MALFORMED_REQUEST", domain };
  return JSON.stringify({ code: 3, message, details: [info] });
}

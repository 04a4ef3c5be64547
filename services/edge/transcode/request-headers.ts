// What of a request's headers concerns the call: its id, its trace, its deadline, its idempotency key.
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { ScalarType, type DescMessage } from "@bufbuild/protobuf";
import { clientAddress, forwardedForHeader, type TrustsPeer } from "#runtime/rpc/client-address.ts";
import { invalidRequest } from "./status.ts";
import type { Fields } from "./field-path.ts";

/** The caller's id where it is fit for logs and headers, else a new one. */
export function requestIdOf(headers: IncomingHttpHeaders, newRequestId: () => string): string {
  const given = headers["x-request-id"];
  return typeof given === "string" && /^[A-Za-z0-9._-]{1,128}$/.test(given) ? given : newRequestId();
}

/** Seconds, fractions allowed, as X-Server-Timeout has them; the answer is in milliseconds and never above the bound. */
export function timeoutMsOf(headers: IncomingHttpHeaders, msMax: number): number | undefined {
  const text = headers["x-server-timeout"];
  if (text === undefined) return undefined;
  const seconds = typeof text === "string" && /^\d{1,9}(?:\.\d{1,9})?$/.test(text) ? Number(text) : 0;
  if (seconds <= 0) throw invalidRequest([{ field: "X-Server-Timeout", description: "must be seconds above zero, such as 2.5" }]);
  return Math.min(Math.ceil(seconds * 1_000), msMax);
}

/** Copies what a call may see, and says who called; everything else stays here. */
export function callHeaders(
  request: IncomingMessage,
  { forwardedHeaders, trustsPeer }: { forwardedHeaders: readonly string[]; trustsPeer: TrustsPeer },
  requestId: string,
): Headers {
  const headers = new Headers();
  const forwardedFor = request.headersDistinct[forwardedForHeader]?.join(",");
  headers.set(forwardedForHeader, clientAddress(request.socket.remoteAddress ?? "unknown", forwardedFor, trustsPeer));
  for (const name of forwardedHeaders) {
    const value = request.headers[name];
    if (typeof value === "string" && value !== "") headers.set(name, value);
  }
  headers.set("x-request-id", requestId);
  return headers;
}

/** Puts Idempotency-Key into the request_id of a method that has one and was given none. */
export type IdempotencyBinder = (headers: IncomingHttpHeaders, message: Fields) => void;

export function compileIdempotencyKey(input: DescMessage): IdempotencyBinder | undefined {
  const field = input.fields.find((candidate) => candidate.name === "request_id");
  if (field?.fieldKind !== "scalar" || field.oneof || field.scalar !== ScalarType.STRING) return undefined;
  return function bindIdempotencyKey(headers, message) {
    const key = headers["idempotency-key"];
    if (typeof key !== "string" || key === "" || (message[field.localName] ?? "") !== "") return;
    // The header is a structured field, whose strings come in quotes; most callers send it bare.
    message[field.localName] = /^".*"$/.test(key) ? key.slice(1, -1).replaceAll(/\\(["\\])/g, "$1") : key;
  };
}

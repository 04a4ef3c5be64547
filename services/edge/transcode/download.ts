// Downloads in parts, with their entity tags: RFC 9110, sections 13 and 14. What is sent is the service's to choose; who knows it
// already, and which bytes of it are wanted, is read here.
import type { IncomingMessage, ServerResponse } from "node:http";
import { clone, ScalarType, type DescMessage, type DescMethod, type Message } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import type { AnswerHeaders } from "./answer.ts";
import { isKnown } from "./etag.ts";
import type { Fields } from "./field-path.ts";
import { sendBytesStream, type BytesOf } from "./http-body.ts";
import { policyOf } from "./method-policy.ts";
import { EdgeRefusal, rpcCode } from "./status.ts";

export interface Download {
  /** Proto names of the request's fields, which no query may name. */
  fields: readonly string[];
  /** The same request for a part. */
  partOf(request: Message, range: Range): Message;
  /** What the first message says of the whole. */
  headOf(first: Message): { size: number; etag: string };
  /** Of every answer. */
  headers: AnswerHeaders;
}

/** In the words of the request: an offset below zero counts from the end, a limit of 0 is none. */
interface Range {
  offset: number;
  limit: number;
}

export function compileDownload(method: DescMethod, givesBytes: boolean, problems: string[]): Download | undefined {
  const { download, requestHeaders } = policyOf(method);
  if (!download) return undefined;
  const { offsetField, limitField, sizeField, etagField, cacheControl } = download;
  if (method.methodKind !== "server_streaming" || !givesBytes) {
    problems.push("download is for server streams of google.api.HttpBody only");
  }
  const { input, output } = method;
  const offset = localNameOf(input, ["offset_field", offsetField, ScalarType.INT64], problems);
  const limit = localNameOf(input, ["limit_field", limitField, ScalarType.INT64], problems);
  const size = localNameOf(output, ["size_field", sizeField, ScalarType.INT64], problems);
  const etag = localNameOf(output, ["etag_field", etagField, ScalarType.STRING], problems);
  return {
    fields: [offsetField, limitField],
    partOf: (request, range) => {
      const part = clone(input, request);
      Object.assign(part, { [offset]: BigInt(range.offset), [limit]: BigInt(range.limit) });
      return part;
    },
    headOf: (first) => {
      const fields = first as Fields;
      return { size: Number(fields[size]), etag: String(fields[etag]) };
    },
    headers: {
      "accept-ranges": "bytes",
      ...(cacheControl !== "" && { "cache-control": cacheControl }),
      ...(requestHeaders.includes("accept") && { vary: "Accept" }),
    },
  };
}

function localNameOf(message: DescMessage, [option, name, scalar]: [string, string, ScalarType], problems: string[]): string {
  const field = message.fields.find((candidate) => candidate.name === name);
  if (field?.fieldKind === "scalar" && field.scalar === scalar && !field.oneof) return field.localName;
  const kind = scalar === ScalarType.STRING ? "a string" : "an int64";
  problems.push(`download.${option} "${name}" is not ${kind} of ${message.typeName}`);
  return "";
}

/** Undefined for what means nothing here, which is to be passed over: section 14.2. Of several ranges none is sent alone. */
function rangeOf({ method, headers: { range } }: IncomingMessage): Range | undefined {
  if (method !== "GET" || range === undefined) return undefined;
  const [, first, last, suffix] = /^\s*bytes\s*=\s*(?:(\d{1,15})-(\d{1,15})?|-(\d{1,15}))\s*$/i.exec(range) ?? [];
  // The last 0 bytes are none, which no request can say; there is nothing to be had there either.
  if (suffix !== undefined) return Number(suffix) === 0 ? undefined : { offset: -Number(suffix), limit: 0 };
  if (first === undefined) return undefined;
  if (last === undefined) return { offset: Number(first), limit: 0 };
  const limit = Number(last) - Number(first) + 1;
  return limit > 0 ? { offset: Number(first), limit } : undefined;
}

export interface DownloadSending {
  request: IncomingMessage;
  response: ServerResponse;
  download: Download;
  message: Message;
  call: (message: Message) => AsyncIterable<Message>;
  bytesOf: BytesOf;
  headers: AnswerHeaders;
  stalledMsMax: number;
}

export async function sendDownload(sending: DownloadSending): Promise<void> {
  const { request, message, download, call } = sending;
  const range = rangeOf(request);
  if (range) {
    const ifRange = request.headers["if-range"]?.toString().trim();
    const part = await begin(call(download.partOf(message, range))).catch((error: unknown) => {
      if (ifRange === undefined) throw notSatisfiable(error);
      return undefined;
    });
    // What was there at an earlier time is not mixed with what is there now. Tags are compared as strong ones: section 13.1.5.
    if (part && (ifRange === undefined || ifRange === download.headOf(part.first).etag)) return send(sending, part, range);
    await part?.rest.return?.();
  }
  await send(sending, await begin(call(message)), undefined);
}

interface Begun {
  first: Message;
  rest: AsyncIterator<Message>;
}

async function begin(messages: AsyncIterable<Message>): Promise<Begun> {
  const rest = messages[Symbol.asyncIterator]();
  const { value, done } = await rest.next();
  if (done) throw new Error("a download ended before its first message");
  return { first: value, rest };
}

function notSatisfiable(error: unknown): unknown {
  if (!(error instanceof ConnectError)) return error;
  const code: number = error.code;
  if (code !== rpcCode.outOfRange) return error;
  const size = error.findDetails(ErrorInfoSchema)[0]?.metadata["bytesTotal"];
  return new EdgeRefusal(rpcCode.outOfRange, "RANGE_NOT_SATISFIABLE", error.rawMessage, {
    httpStatus: 416,
    ...(size !== undefined && { headers: { "content-range": `bytes */${size}` }, metadata: { bytesTotal: size } }),
  });
}

async function send(sending: DownloadSending, { first, rest }: Begun, range: Range | undefined): Promise<void> {
  const { request, response, download, bytesOf, stalledMsMax } = sending;
  const { size, etag } = download.headOf(first);
  const headers: AnswerHeaders = { ...sending.headers, ...download.headers, etag };
  const varies = response.getHeader("vary");
  if (headers["vary"] && typeof varies === "string") headers["vary"] = `${varies}, ${headers["vary"]}`;
  if (isKnown(request, etag)) {
    response.writeHead(304, headers).end();
    await rest.return?.();
    return;
  }
  const { start, end } = boundsOf(size, range ?? { offset: 0, limit: 0 });
  headers["content-length"] = String(end - start);
  if (range) headers["content-range"] = `bytes ${start}-${end - 1}/${size}`;
  const parts = (async function* () {
    yield bytesOf(first);
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield bytesOf(next.value);
  })();
  await sendBytesStream({ request, response, status: range ? 206 : 200, parts, headers, stalledMsMax });
}

/** As the service, which has refused what has none. */
function boundsOf(size: number, { offset, limit }: Range): { start: number; end: number } {
  const start = offset < 0 ? Math.max(0, size + offset) : offset;
  return { start, end: limit === 0 ? size : Math.min(size, start + limit) };
}

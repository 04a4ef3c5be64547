// Bodies of newline-delimited JSON: a message a line.
import { isUtf8 } from "node:buffer";
import type { Message } from "@bufbuild/protobuf";
import { bindFields } from "./bind.ts";
import type { RoutedExchange } from "./exchange.ts";
import { bodyTooLarge } from "./read-body.ts";
import type { RequestChunks } from "./request-chunks.ts";
import { EdgeRefusal, invalidRequest, rpcCode } from "./status.ts";
import { Violations } from "./violations.ts";

/**
 * The first line's message has what the query says; every one has what the path says, which no line may override.
 *
 * @throws EdgeRefusal, from the messages: what is wrong with a line is told as of an item of a list, such as [2].sku.
 */
export async function* linesOf(exchange: RoutedExchange, body: RequestChunks, lineBytesMax: number): AsyncGenerator<Message> {
  const { route } = exchange;
  if (route.body.takes === "bytes") throw new Error("a body of bytes has no lines");
  let index = 0;
  for await (const text of split(body, lineBytesMax)) {
    const violations = new Violations();
    const message = route.body.bind(text, violations);
    try {
      bindFields(index === 0 ? exchange : { ...exchange, search: "" }, message, violations);
    } catch (error) {
      throw ofLine(error, index);
    }
    yield message;
    index += 1;
  }
}

function ofLine(error: unknown, index: number): unknown {
  const violations = error instanceof EdgeRefusal ? error.options.fieldViolations : undefined;
  if (!violations) return error;
  return invalidRequest(violations.map(({ field, ...rest }) => ({ ...rest, field: `[${index}]${field && `.${field}`}` })));
}

/** @throws EdgeRefusal for a body that does not say that it is one of lines. */
export function assertLines(type: string): void {
  if (/^\s*application\/(?:x-ndjson|ndjson|jsonl)\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.test(type)) return;
  throw new EdgeRefusal(
    rpcCode.invalidArgument,
    "UNSUPPORTED_MEDIA_TYPE",
    "send a message a line, as Content-Type: application/x-ndjson",
    { httpStatus: 415, headers: { "accept-post": "application/x-ndjson" } },
  );
}

const newline = 0x0a;

/** Lines without their ends; empty ones are left out. */
async function* split(body: RequestChunks, bytesMax: number): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let bytes = 0;
  const take = (part: Buffer): void => {
    bytes += part.length;
    if (bytes > bytesMax) throw bodyTooLarge(bytesMax);
    parts.push(part);
  };
  const line = (): string => {
    const whole = Buffer.concat(parts, bytes);
    [parts, bytes] = [[], 0];
    if (!isUtf8(whole)) throw new EdgeRefusal(rpcCode.invalidArgument, "MALFORMED_JSON", "the body is not UTF-8");
    return whole.toString("utf8").trim();
  };
  for await (const chunk of body) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      take(chunk.subarray(start, end));
      start = end + 1;
      const text = line();
      if (text !== "") yield text;
    }
    take(chunk.subarray(start));
  }
  const rest = line();
  if (rest !== "") yield rest;
}

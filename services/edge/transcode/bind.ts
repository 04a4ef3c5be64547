// Makes the request message of a call from body, query, headers and path.
import type { Message } from "@bufbuild/protobuf";
import type { RoutedExchange } from "./exchange.ts";
import type { Fields } from "./field-path.ts";
import { readBytesBody, readJsonBody, refuseBody, type BodyLimits } from "./read-body.ts";
import { invalidRequest } from "./status.ts";
import { Violations } from "./violations.ts";

/** Body first, then query, then path: nothing that a caller sends may override what the path said. */
export async function bindRequest(exchange: RoutedExchange, limits: BodyLimits): Promise<Message> {
  const { request, route, segments, search } = exchange;
  const violations = new Violations();
  const { message, text } = await readMessage(exchange, limits, violations);
  const fields: Fields = message;
  if (search !== "") route.bindQuery(search, fields, violations);
  const lastEventId = request.headers["last-event-id"];
  if (typeof lastEventId === "string" && lastEventId !== "") route.resume?.bind(lastEventId, fields, violations);
  route.bindPath(segments, fields, violations);
  if (violations.list.length === 0) route.checkRequired?.(message, violations);
  if (violations.list.length > 0) throw invalidRequest(violations.list);
  route.bindImpliedMask?.(text, fields);
  route.bindIfMatch(request, fields);
  route.bindIdempotencyKey?.(request.headers, fields);
  return message;
}

/** The message of the body, and the body's text where it has one. */
async function readMessage(
  { request, response, route: { body } }: RoutedExchange,
  limits: BodyLimits,
  violations: Violations,
): Promise<{ message: Message; text: string }> {
  if (body.takes === "bytes") {
    const bytes = await readBytesBody(request, response, limits);
    return { message: body.bind(bytes, request.headers["content-type"] ?? ""), text: "" };
  }
  const text = body.takes === "json" ? await readJsonBody(request, response, limits) : await refuseBody(request);
  return { message: body.bind(text, violations), text };
}

// google.api.HttpBody: bytes with their type, which pass as they are. See google/api/httpbody.proto.
import type { IncomingMessage, ServerResponse } from "node:http";
import { create, isMessage, type DescField, type DescMessage, type Message } from "@bufbuild/protobuf";
import { HttpBodySchema, type HttpBody } from "#gen/google/api/httpbody_pb.ts";
import type { AnswerHeaders } from "./answer.ts";
import type { Fields } from "./field-path.ts";
import { drained } from "./stream.ts";

/** Of what came, and of what goes out where the contract's side gives none. */
const unknownType = "application/octet-stream";

export const isHttpBody = (message: DescMessage): boolean => message.typeName === HttpBodySchema.typeName;

export const isHttpBodyField = (field: DescField | undefined): boolean =>
  field?.fieldKind === "message" && isHttpBody(field.message);

/** True where bytes would have to be printed as JSON, or read from it, in the middle of a message. */
export const hasHttpBodyInside = (message: DescMessage, except: DescField | undefined): boolean =>
  message.fields.some((field) => field !== except && "message" in field && field.message && isHttpBody(field.message));

/** Makes the request message from bytes and their type. */
export type BytesBinder = (bytes: Uint8Array, contentType: string) => Message;

/** @param field The field that the body is; undefined where the request itself is an HttpBody. */
export function compileBytes(input: DescMessage, field: DescField | undefined): BytesBinder {
  return function bindBytes(data, contentType) {
    const body = { contentType: contentType || unknownType, data };
    if (!field) return create(HttpBodySchema, body);
    const message = create(input);
    (message as Fields)[field.localName] = create(HttpBodySchema, body);
    return message;
  };
}

/** The bytes of an answer; none where the field is unset. */
export type BytesOf = (response: Message) => HttpBody;

export const compileBytesOf =
  (field: DescField | undefined): BytesOf =>
  (response) => {
    const body = field ? (response as Fields)[field.localName] : response;
    return isMessage(body, HttpBodySchema) ? body : create(HttpBodySchema);
  };

const typeOf = ({ contentType }: HttpBody): string => contentType || unknownType;

export interface BytesStream {
  request: IncomingMessage;
  response: ServerResponse;
  /** 200 where it is not given. */
  status?: number;
  parts: AsyncIterable<HttpBody>;
  headers: AnswerHeaders;
  /** How long a caller may leave what was written unread. Milliseconds. */
  stalledMsMax: number;
}

/**
 * Writes a download to its end; the first part says the type. What goes wrong before it is thrown. Afterwards there is no place for
 * an error between the bytes, so the connection is cut: the last chunk is missing, and no client takes that for the whole.
 */
export async function sendBytesStream({
  request,
  response,
  status = 200,
  parts,
  headers,
  stalledMsMax,
}: BytesStream): Promise<void> {
  const start = (type: string): void => {
    response.writeHead(status, { ...headers, "content-type": type, "x-content-type-options": "nosniff" });
    if (request.method === "HEAD") response.end();
  };
  try {
    for await (const part of parts) {
      if (!response.headersSent) start(typeOf(part));
      if (response.writableEnded || response.destroyed) return;
      if (part.data.length > 0 && !response.write(part.data)) await drained(response, stalledMsMax);
    }
    if (!response.headersSent) start(unknownType);
    if (!response.writableEnded) response.end();
  } catch (error) {
    if (!response.headersSent) throw error;
    response.destroy();
  }
}

export const bytesAnswer = (body: HttpBody): { contentType: string; bytes: Uint8Array } => ({
  contentType: typeOf(body),
  bytes: body.data,
});

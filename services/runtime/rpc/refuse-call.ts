// Refuses a call on the bare HTTP request, in the words of its protocol, before Connect makes anything of it.
import type * as http2 from "node:http2";
import type { JsonWriteOptions } from "@bufbuild/protobuf";
import { encodeEnvelope } from "@connectrpc/connect/protocol";
import {
  contentTypeUnaryJson,
  codeToHttpStatus,
  createEndStreamSerialization,
  endStreamFlag,
  errorToJsonBytes,
} from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { trailerFlag, trailerSerialize } from "@connectrpc/connect/protocol-grpc-web";
import { prepareOverloaded, type Overloaded } from "#runtime/admission/overloaded.ts";
import { requestIdOf } from "./call-context.ts";
import type { HttpHandler } from "./http-handler.ts";

type Protocol = "connect" | "connectStream" | "grpc" | "grpcWeb";

interface Answer {
  status: number;
  headers: Record<string, string>;
  /** Of the call where it is undefined: a stream is answered in the format in which it was asked. */
  contentType: string | undefined;
  body: Uint8Array | undefined;
}

type Answers = Record<Protocol, Answer>;

/** Answers RESOURCE_EXHAUSTED with the reason OVERLOADED and the time after which to come again. */
export function refuseOverloaded(jsonOptions: Partial<JsonWriteOptions> | undefined): HttpHandler {
  const anyAnswers = prepareOverloaded((refusal) => answersOf(refusal, jsonOptions));
  return (request, response) => {
    const asked = request.headers["content-type"] ?? "";
    const answer = anyAnswers()[protocolOf(asked)];
    const headers = {
      ...answer.headers,
      "content-type": answer.contentType ?? asked,
      "x-request-id": requestIdOf(request.headers["x-request-id"]),
    };
    if ("stream" in response) answerHttp2(response.stream, answer, headers);
    else response.writeHead(answer.status, headers).end(answer.body);
  };
}

/** Around the response object of node:http2, whose answer without a body is not the one frame that gRPC knows as Trailers-Only. */
function answerHttp2(stream: http2.ServerHttp2Stream, { status, body }: Answer, headers: Record<string, string>): void {
  if (stream.destroyed) return;
  stream.respond({ ":status": status, ...headers }, { endStream: body === undefined });
  if (body !== undefined) stream.end(body);
}

function protocolOf(contentType: string): Protocol {
  if (contentType.startsWith("application/grpc-web")) return "grpcWeb";
  if (contentType.startsWith("application/grpc")) return "grpc";
  if (contentType.startsWith("application/connect+")) return "connectStream";
  return "connect";
}

function answersOf({ error, retryAfter }: Overloaded, jsonOptions: Partial<JsonWriteOptions> | undefined): Answers {
  const headers = { "retry-after": retryAfter };
  const withBody = (body: Uint8Array) => ({ body, headers: { ...headers, "content-length": String(body.length) } });
  const trailers = setTrailerStatus(new Headers(), error);
  const end = createEndStreamSerialization(jsonOptions).serialize({ metadata: new Headers(), error });
  return {
    connect: {
      status: codeToHttpStatus(error.code),
      contentType: contentTypeUnaryJson,
      ...withBody(errorToJsonBytes(error, jsonOptions)),
    },
    connectStream: { status: 200, contentType: undefined, ...withBody(encodeEnvelope(endStreamFlag, end)) },
    grpc: { status: 200, contentType: undefined, headers: { ...headers, ...Object.fromEntries(trailers) }, body: undefined },
    grpcWeb: { status: 200, contentType: undefined, ...withBody(encodeEnvelope(trailerFlag, trailerSerialize(trailers))) },
  };
}

// Answers unary calls over HTTP/2, which are nearly all there are, with less around them than Connect's adapter for Node has: it
// ends each call that is long answered by an error with a stack trace, reads a body through two more iterators, and waits for
// what nobody waits for. That was a tenth of what a call takes. Everything else goes by that adapter.
import { constants, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import { Code, ConnectError, type ContextValues } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";

/** The caller has gone: what its stream was reset with, as gRPC over HTTP/2 reads it. */
const codeOfReset = new Map<number, Code>([
  [constants.NGHTTP2_REFUSED_STREAM, Code.Unavailable],
  [constants.NGHTTP2_NO_ERROR, Code.Canceled],
  [constants.NGHTTP2_CANCEL, Code.Canceled],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM, Code.ResourceExhausted],
  [constants.NGHTTP2_INADEQUATE_SECURITY, Code.PermissionDenied],
]);

/**
 * Answers one call. Calls onFailed where the handler, against its promise, rejects; the stream is then reset.
 *
 * @throws TypeError where the request's authority is none.
 */
export function answerUnary(
  handler: UniversalHandler,
  {
    request,
    response,
    contextValues,
  }: { request: Http2ServerRequest; response: Http2ServerResponse; contextValues: ContextValues },
  onFailed: (error: unknown) => void,
): void {
  const scheme = "encrypted" in request.socket && request.socket.encrypted ? "https" : "http";
  const url = new URL(request.url, `${scheme}://${request.authority}`).href;
  const gone = new AbortController();
  let isAnswered = false;
  request.once("close", () => {
    if (isAnswered) return;
    const code = codeOfReset.get(request.stream.rstCode) ?? Code.Internal;
    gone.abort(new ConnectError("the caller has reset the stream", code));
  });
  const answer = async (): Promise<void> => {
    const { httpVersion, method } = request;
    const header = webHeaders(request.headers);
    const {
      status,
      header: sent,
      body,
      trailer,
    } = await handler({
      httpVersion,
      method,
      url,
      header,
      body: request,
      signal: gone.signal,
      contextValues,
    });
    const chunks: Uint8Array[] = [];
    // An answer of one message stands already.
    if (body) for await (const chunk of body) chunks.push(chunk);
    const last = chunks.pop();
    isAnswered = true;
    if (response.stream.destroyed) return;
    response.writeHead(status, nodeHeaders(sent));
    for (const chunk of chunks) response.write(chunk);
    if (trailer) response.addTrailers(nodeHeaders(trailer));
    if (last) response.end(last);
    else response.end();
  };
  answer().catch((error: unknown) => {
    isAnswered = true;
    onFailed(error);
    if (!response.stream.destroyed) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  });
}

function webHeaders(given: Http2ServerRequest["headers"]): Headers {
  const headers = new Headers();
  for (const name in given) {
    const value = given[name];
    if (value === undefined || name.startsWith(":")) continue;
    if (typeof value === "string") headers.append(name, value);
    else for (const each of value) headers.append(name, each);
  }
  return headers;
}

function nodeHeaders(given: Headers | undefined): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  given?.forEach((value, name) => {
    const before = headers[name];
    headers[name] = before === undefined ? value : [before, value].flat();
  });
  return headers;
}

// One line a call. No payloads, no headers.
import { Code, ConnectError, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import { codeToString } from "@connectrpc/connect/protocol-connect";
import { reasonOf } from "#runtime/errors.ts";
import type { Logger } from "#runtime/log.ts";
import { insidePeer, peerKey } from "./peer.ts";

/** The log's name of a method: ordermesh.catalog.v1.CatalogService/GetProduct. */
export function methodName(request: { service: { typeName: string }; method: { name: string } }): string {
  return `${request.service.typeName}/${request.method.name}`;
}

/** The line of a call that was refused before it began. */
export function logRefusedCall(refused: { log: Logger; call: HandlerContext; peer: string | undefined; error: unknown }): void {
  const { log, call, peer, error } = refused;
  log.info(
    { method: methodName(call), code: codeOf(error), reason: reasonOf(error), durationMs: 0, peer: peer ?? insidePeer },
    "rpc",
  );
}

/** Logs each call under the name "rpc" when it has ended; a stream ends with its last message. */
export function logCalls({ log }: { log: Logger }): Interceptor {
  return (next) => async (request) => {
    const startedAt = performance.now();
    const peer = request.contextValues.get(peerKey);
    const method = methodName(request);
    const ended = (code: string): void => {
      // Calls between co-located services and probes come in numbers; they are worth a line only when they fail.
      const quiet = code === "ok" && !request.stream && (peer === undefined || request.service.typeName.startsWith("grpc."));
      log[quiet ? "debug" : "info"](
        { method, code, durationMs: Math.round(performance.now() - startedAt), peer: peer ?? insidePeer },
        "rpc",
      );
    };
    try {
      const response = await next(request);
      if (response.stream) return { ...response, message: reportingEnd(response.message, ended) };
      ended("ok");
      return response;
    } catch (error) {
      ended(codeOf(error));
      throw error;
    }
  };
}

async function* reportingEnd<Message>(messages: AsyncIterable<Message>, ended: (code: string) => void): AsyncGenerator<Message> {
  // A caller that goes away returns the generator early, with neither an error nor an end.
  let code = codeToString(Code.Canceled);
  try {
    yield* messages;
    code = "ok";
  } catch (error) {
    code = codeOf(error);
    throw error;
  } finally {
    ended(code);
  }
}

function codeOf(error: unknown): string {
  return codeToString(error instanceof ConnectError ? error.code : Code.Unknown);
}

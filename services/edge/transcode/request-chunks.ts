// A body as it comes: no more is taken from the connection than is asked for, so that it is never in memory as a whole.
import type { IncomingMessage, ServerResponse } from "node:http";
import { codingOf } from "./coding.ts";
import { bodyIncomplete, bodyTooLarge } from "./read-body.ts";
import { EdgeRefusal, rpcCode } from "./status.ts";

export interface RequestChunks extends AsyncIterable<Buffer> {
  /** Takes no more; what has not come yet is left to whoever answers. */
  release(): void;
}

export interface ChunkLimits {
  bytesMax: number;
  /** How long it is waited for more. Milliseconds. */
  silentMsMax: number;
}

/**
 * @throws EdgeRefusal, also from the chunks: for a body of more bytes, one that is compressed, one that ends early, and one of which
 *   nothing more comes.
 */
export function openChunks(
  request: IncomingMessage,
  response: ServerResponse,
  { bytesMax, silentMsMax }: ChunkLimits,
): RequestChunks {
  if (codingOf(request.headers)) throw notExpanded();
  if (Number(request.headers["content-length"] ?? 0) > bytesMax) throw bodyTooLarge(bytesMax);
  if (request.headers.expect?.toLowerCase() === "100-continue") response.writeContinue();
  const come: Buffer[] = [];
  let bytes = 0;
  let isOver = false;
  let failure: unknown;
  let wake = (): void => {};

  const end = (reason?: unknown): void => {
    request.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onClose);
    request.pause();
    failure ??= isOver ? undefined : reason;
    isOver = true;
    wake();
  };
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > bytesMax) return end(bodyTooLarge(bytesMax));
    request.pause();
    come.push(chunk);
    wake();
  };
  const onEnd = (): void => end();
  const onClose = (): void => end(bodyIncomplete());
  request.pause();
  request.on("data", onData).once("end", onEnd).once("close", onClose).once("error", onClose);

  return {
    release: () => end(),
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const chunk = come.shift();
        if (chunk) yield chunk;
        else if (failure !== undefined) throw failure;
        else if (isOver) return;
        else {
          // Only what is asked for can be late: a service that takes its time is no fault of the caller.
          const silent = setTimeout(() => end(bodySilent(silentMsMax)), silentMsMax);
          await new Promise<void>((resolve) => {
            wake = resolve;
            request.resume();
          });
          clearTimeout(silent);
        }
      }
    },
  };
}

const bodySilent = (milliseconds: number): EdgeRefusal =>
  new EdgeRefusal(
    rpcCode.deadlineExceeded,
    "BODY_SILENT",
    `nothing more of the body has come for ${milliseconds / 1_000} s: send it again`,
    { httpStatus: 408 },
  );

const notExpanded = (): EdgeRefusal =>
  new EdgeRefusal(rpcCode.invalidArgument, "UNSUPPORTED_ENCODING", "send what is uploaded as it is, without Content-Encoding", {
    httpStatus: 415,
    headers: { "accept-encoding": "identity" },
  });

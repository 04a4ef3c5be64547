// What the transcoder needs of the RPC side.
import type { DescMethodServerStreaming, DescMethodUnary, DescService, Message } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";

export interface CallOptions {
  headers: Headers;
  signal: AbortSignal;
  /** Undefined for a stream that runs as long as its caller listens. */
  timeoutMs: number | undefined;
  /** Hears the headers of the answer, as soon as they are there. */
  onHeaders: (headers: Headers) => void;
}

export interface Caller {
  unary(method: DescMethodUnary, message: Message, options: CallOptions): Promise<Message>;
  serverStream(method: DescMethodServerStreaming, message: Message, options: CallOptions): AsyncIterable<Message>;
}

/** Calls through Connect; services may live on different transports. */
export function connectCaller(transportFor: (service: DescService) => Transport): Caller {
  return {
    async unary(method, message, { headers, signal, timeoutMs, onHeaders }) {
      const response = await transportFor(method.parent).unary(method, signal, timeoutMs, headers, message);
      onHeaders(response.header);
      return response.message;
    },
    async *serverStream(method, message, { headers, signal, timeoutMs, onHeaders }) {
      // 0 tells Connect that there is no deadline, also where the transport has a default.
      const response = await transportFor(method.parent).stream(method, signal, timeoutMs ?? 0, headers, once(message));
      onHeaders(response.header);
      yield* response.message;
    },
  };
}

// oxlint-disable-next-line typescript/require-await -- an AsyncIterable is what Connect takes
async function* once<Item>(item: Item): AsyncGenerator<Item> {
  yield item;
}

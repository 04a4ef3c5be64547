// What the transcoder needs of the RPC side.
import type { DescMethodServerStreaming, DescMethodUnary, DescService, Message } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";

export interface CallOptions {
  headers: Headers;
  signal: AbortSignal;
  /** Undefined for a stream that runs as long as its caller listens. */
  timeoutMs: number | undefined;
}

export interface Caller {
  unary(method: DescMethodUnary, message: Message, options: CallOptions): Promise<{ message: Message; headers: Headers }>;
  serverStream(method: DescMethodServerStreaming, message: Message, options: CallOptions): AsyncIterable<Message>;
}

/** Calls through Connect; services may live on different transports. */
export function connectCaller(transportFor: (service: DescService) => Transport): Caller {
  return {
    async unary(method, message, { headers, signal, timeoutMs }) {
      const response = await transportFor(method.parent).unary(method, signal, timeoutMs, headers, message);
      return { message: response.message, headers: response.header };
    },
    async *serverStream(method, message, { headers, signal, timeoutMs }) {
      // 0 tells Connect that there is no deadline, also where the transport has a default.
      const response = await transportFor(method.parent).stream(method, signal, timeoutMs ?? 0, headers, once(message));
      yield* response.message;
    },
  };
}

// oxlint-disable-next-line typescript/require-await -- an AsyncIterable is what Connect takes
async function* once<Item>(item: Item): AsyncGenerator<Item> {
  yield item;
}

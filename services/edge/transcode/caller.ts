// What the transcoder needs of the RPC side.
import type {
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  Message,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";

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
  clientStream(method: DescMethodClientStreaming, messages: AsyncIterable<Message>, options: CallOptions): Promise<Message>;
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
    async clientStream(method, messages, { headers, signal, timeoutMs, onHeaders }) {
      const response = await transportFor(method.parent).stream(method, signal, timeoutMs, headers, messages);
      onHeaders(response.header);
      let answer: Message | undefined;
      // To its end: an error comes behind the message.
      for await (const message of response.message) answer = message;
      if (!answer) throw new ConnectError("the call ended without an answer", Code.Internal);
      return answer;
    },
  };
}

// oxlint-disable-next-line typescript/require-await -- an AsyncIterable is what Connect takes
async function* once<Item>(item: Item): AsyncGenerator<Item> {
  yield item;
}

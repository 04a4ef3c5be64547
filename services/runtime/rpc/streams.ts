// What an interceptor can do to the messages of a stream.
import { runInContext, type RequestContext } from "#runtime/request-context.ts";

/**
 * The same messages, each produced inside the context. A generator runs in the context of whoever pulls it,
 * and that is the transport, after the interceptor has returned.
 */
export function inContext<Message>(context: RequestContext, messages: AsyncIterable<Message>): AsyncIterable<Message> {
  return {
    [Symbol.asyncIterator]() {
      const inner = runInContext(context, () => messages[Symbol.asyncIterator]());
      const bound: AsyncIterator<Message> = { next: () => runInContext(context, () => inner.next()) };
      if (inner.return) bound.return = (value) => runInContext(context, () => inner.return!(value));
      if (inner.throw) bound.throw = (error) => runInContext(context, () => inner.throw!(error));
      return bound;
    },
  };
}

/** The same messages; an error among them is replaced. */
export async function* withErrors<Message>(
  messages: AsyncIterable<Message>,
  replace: (error: unknown) => Error,
): AsyncGenerator<Message> {
  try {
    yield* messages;
  } catch (error) {
    throw replace(error);
  }
}

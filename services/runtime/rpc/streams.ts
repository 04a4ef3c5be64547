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

/**
 * The same messages until the signal is aborted; then its reason is thrown where the producer stands. Without this
 * a producer that waits at a yield, for a caller that has gone, would never run its finally.
 */
export function endedBy<Message>(signal: AbortSignal, messages: AsyncIterable<Message>): AsyncIterable<Message> {
  return {
    [Symbol.asyncIterator]() {
      const inner = messages[Symbol.asyncIterator]();
      let ending: Promise<IteratorResult<Message>> | undefined;
      const end = (): void => {
        ending = inner.throw ? inner.throw(signal.reason) : inner.return?.();
        // Whoever pulls again is told; often nobody does.
        ending?.catch(() => {});
      };
      signal.addEventListener("abort", end, { once: true });
      const ended: AsyncIterator<Message> = { next: () => ending ?? inner.next() };
      if (inner.return) ended.return = (value) => inner.return!(value);
      if (inner.throw) ended.throw = (error) => inner.throw!(error);
      return ended;
    },
  };
}

/**
 * The same messages until the signal is aborted; then whoever waits for one is told its reason at once, also where the producer
 * does not listen, which gets it thrown where it stands. Calls back when the messages have ended, either way.
 */
export function cutBy<Message>(signal: AbortSignal, messages: AsyncIterable<Message>, onEnd: () => void): AsyncIterable<Message> {
  return {
    [Symbol.asyncIterator]() {
      const inner = messages[Symbol.asyncIterator]();
      let waiting: (reason: unknown) => void = () => {};
      const leave = (): void => {
        signal.removeEventListener("abort", cut);
        onEnd();
      };
      const cut = (): void => {
        leave();
        waiting(signal.reason);
        (inner.throw ? inner.throw(signal.reason) : inner.return?.())?.catch(() => {});
      };
      signal.addEventListener("abort", cut, { once: true });
      if (signal.aborted) cut();
      const next = async (): Promise<IteratorResult<Message>> => {
        signal.throwIfAborted();
        const { promise: cutShort, reject } = Promise.withResolvers<never>();
        waiting = reject;
        try {
          const result = await Promise.race([inner.next(), cutShort]);
          if (result.done) leave();
          return result;
        } catch (error) {
          leave();
          throw error;
        }
      };
      const ended: AsyncIterator<Message> = { next };
      const { return: close, throw: fail } = inner;
      if (close) ended.return = (value) => (leave(), close.call(inner, value));
      if (fail) ended.throw = (error) => (leave(), fail.call(inner, error));
      return ended;
    },
  };
}

/**
 * The same messages; where the signal is aborted their end is its reason. A producer that just stops when it is told to
 * would otherwise tell its caller that this was all.
 */
export async function* completeUnless<Message>(signal: AbortSignal, messages: AsyncIterable<Message>): AsyncGenerator<Message> {
  yield* messages;
  signal.throwIfAborted();
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

// What a caller hears that was not let in. Made before it is needed: a refusal must cost next to nothing.
import type { ConnectError } from "@connectrpc/connect";
import { Code } from "@connectrpc/connect";
import { RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { refuse } from "../errors.ts";

/** Spread, so that those who were refused together do not come back together. Milliseconds. */
const retryMsMin = 500;
const retryMsMax = 1_500;
const variants = 16;

export interface Overloaded {
  error: ConnectError;
  /** Seconds, for the header Retry-After, which has no fractions. */
  retryAfter: string;
}

function overloaded(retryMs: number): Overloaded {
  const seconds = Math.floor(retryMs / 1_000);
  const retryDelay = { seconds: BigInt(seconds), nanos: Math.round(retryMs - seconds * 1_000) * 1_000_000 };
  const detail = { desc: RetryInfoSchema, value: { retryDelay } };
  const error = refuse(Code.ResourceExhausted, "OVERLOADED", "too many calls at once, try again later", {}, [detail]);
  return { error, retryAfter: String(Math.ceil(retryMs / 1_000)) };
}

/** Turns refusals into answers once, and gives one of them by chance each time. */
export function prepareOverloaded<Answer>(prepare: (refusal: Overloaded) => Answer): () => Answer {
  const step = (retryMsMax - retryMsMin) / (variants - 1);
  const answers = Array.from({ length: variants }, (_, index) => prepare(overloaded(retryMsMin + Math.round(index * step))));
  return () => answers[Math.floor(Math.random() * variants)]!;
}

// A client of NATS that loses its server in the middle of a batch waits for the rest for ever, and whoever waits with it cannot stop.

/** All that a batch may take, and room. Milliseconds. */
const answerMsMax = 5_000;

/** @throws Error where what was asked of the stream takes longer than any answer of a server that is there. */
export function inTime<Answer>(answer: Promise<Answer>): Promise<Answer> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("the stream has said nothing for too long")), answerMsMax);
  return Promise.race([answer, late]).finally(() => clearTimeout(timer));
}

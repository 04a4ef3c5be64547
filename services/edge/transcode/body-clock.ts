// How long the body of a request may take to come. Node has one time for all of them; here one that goes on to its call while it
// comes may take longer than one that is read as a whole.
import type { IncomingMessage } from "node:http";
import { hasBody } from "./read-body.ts";

interface Clock {
  start(): void;
  stop(): void;
}

const clocks = new WeakMap<IncomingMessage, Clock>();

/** Calls back where the body has not come as a whole within so many milliseconds. */
export function boundBody(request: IncomingMessage, milliseconds: number, onLate: () => void): void {
  if (!hasBody(request)) return;
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => clearTimeout(timer);
  const start = (): void => {
    stop();
    if (request.complete || request.closed) return;
    timer = setTimeout(() => {
      if (!request.complete) onLate();
    }, milliseconds);
  };
  request.once("end", stop).once("close", stop);
  clocks.set(request, { start, stop });
  start();
}

/** Stops the clock while the work goes on, which has bounds of its own for what comes; then it starts anew. */
export async function withoutClock<Result>(request: IncomingMessage, work: () => Promise<Result>): Promise<Result> {
  const clock = clocks.get(request);
  clock?.stop();
  try {
    return await work();
  } finally {
    clock?.start();
  }
}

// Work that nobody waits for, such as a batch of events, stands back while callers do: one piece at a time, with a rest
// after each. It is put off and never refused; what gathers meanwhile is done in larger batches, at less cost each.
import type { Foreground } from "./foreground.ts";

export interface Background {
  /** Runs the work now, or when it is its turn where the process is busy with callers. */
  run<Result>(work: () => Promise<Result>): Promise<Result>;
}

/** While the process is busy, work in the background rests so many times as long as it has worked. */
const restFactor = 4;
const restMsMax = 250;
/** No work is put off for longer, however busy the process is. Milliseconds. */
const waitMsMax = 3_000;
const lookEveryMs = 5;

interface Waiting {
  untilMs: number;
  go(): void;
}

export function createBackground(foreground: Pick<Foreground, "isBusy">): Background {
  const waiting: Waiting[] = [];
  let running = 0;
  let restUntilMs = 0;
  let looking: NodeJS.Timeout | undefined;

  const look = (): void => {
    const now = performance.now();
    const isBusy = foreground.isBusy();
    for (let first = waiting[0]; first; first = waiting[0]) {
      if (isBusy && now < first.untilMs && (running > 0 || now < restUntilMs)) return;
      waiting.shift();
      first.go();
    }
    clearInterval(looking);
    looking = undefined;
  };

  /** First come, first served. */
  const turn = (): Promise<void> =>
    new Promise((resolve) => {
      const go = (): void => {
        running += 1;
        resolve();
      };
      waiting.push({ untilMs: performance.now() + waitMsMax, go });
      looking ??= setInterval(look, lookEveryMs);
    });

  return {
    run: async (work) => {
      if (foreground.isBusy()) await turn();
      else running += 1;
      const startMs = performance.now();
      try {
        return await work();
      } finally {
        running -= 1;
        const endMs = performance.now();
        restUntilMs = endMs + Math.min((endMs - startMs) * restFactor, restMsMax);
      }
    },
  };
}

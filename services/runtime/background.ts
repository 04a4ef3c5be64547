// Work that nobody waits for, such as a batch of events: a few pieces at a time, and what gathers meanwhile is done in larger
// batches, at less cost each. The more callers wait, the fewer pieces run; while many do, one at a time with a rest after it. It
// is put off and never refused.
import type { Callers, Foreground } from "./foreground.ts";

export interface Background {
  /** Runs the work when it is its turn. */
  run<Result>(work: () => Promise<Result>): Promise<Result>;
}

/** Where somebody waits, more would only compete with the callers for the same processors. */
const piecesAtOnce: Readonly<Record<Callers, number>> = { none: 8, some: 3, many: 1 };
/** A piece that takes longer waits for something, and lets the others go on meanwhile. Milliseconds. */
const pieceMsMax = 500;
/** While many callers wait, work in the background rests so many times as long as it has worked. */
const restFactor = 4;
const restMsMax = 250;
/** No work is put off for longer, however busy the process is. Milliseconds. */
const waitMsMax = 3_000;
const lookEveryMs = 5;

interface Waiting {
  untilMs: number;
  go(): void;
}

export function createBackground(foreground: Pick<Foreground, "callers">): Background {
  const waiting: Waiting[] = [];
  let running = 0;
  let restUntilMs = 0;
  let looking: NodeJS.Timeout | undefined;

  const mayGo = ({ untilMs }: Waiting): boolean => {
    const now = performance.now();
    if (now >= untilMs) return true;
    const callers = foreground.callers();
    return running < piecesAtOnce[callers] && (callers !== "many" || now >= restUntilMs);
  };

  /** First come, first served. */
  const look = (): void => {
    for (let first = waiting[0]; first && mayGo(first); first = waiting[0]) {
      waiting.shift();
      running += 1;
      first.go();
    }
    if (waiting.length > 0) looking ??= setInterval(look, lookEveryMs);
    else {
      clearInterval(looking);
      looking = undefined;
    }
  };

  const turn = (): Promise<void> =>
    new Promise((resolve) => {
      waiting.push({ untilMs: performance.now() + waitMsMax, go: resolve });
      look();
    });

  return {
    run: async (work) => {
      await turn();
      const startMs = performance.now();
      let isCounted = true;
      const leave = (): void => {
        if (isCounted) running -= 1;
        isCounted = false;
        look();
      };
      const tooLong = setTimeout(leave, pieceMsMax);
      try {
        return await work();
      } finally {
        clearTimeout(tooLong);
        const endMs = performance.now();
        restUntilMs = endMs + Math.min((endMs - startMs) * restFactor, restMsMax);
        leave();
      }
    },
  };
}

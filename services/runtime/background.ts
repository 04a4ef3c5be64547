// Work that nobody waits for, such as a batch of events: a few pieces at a time, and what gathers meanwhile is done in larger
// batches, at less cost each. While some callers wait fewer pieces run; while many do, they run in rounds with a rest after each.
// It is put off and never refused.
import type { Foreground } from "./foreground.ts";

export interface Background {
  /** Runs the work when it is its turn. */
  run<Result>(work: () => Promise<Result>): Promise<Result>;
}

const piecesMax = 8;
/** Where somebody waits, more would only compete with the callers for the same processors. */
const piecesMaxBesideCallers = 4;
/** A piece that takes longer waits for something, and lets the others go on meanwhile. Milliseconds. */
const pieceMsMax = 500;
/** While many callers wait, work in the background rests so many times as long as its round has lasted. */
const restFactor = 9;
const restMsMax = 3_000;
/** No work is put off for longer, however busy the process is. Milliseconds. */
const waitMsMax = 4_000;
const lookEveryMs = 5;

interface Waiting {
  untilMs: number;
  go(): void;
}

export function createBackground(foreground: Pick<Foreground, "callers">): Background {
  const waiting: Waiting[] = [];
  let running = 0;
  let beganMs = 0;
  let restUntilMs = 0;
  let looking: NodeJS.Timeout | undefined;

  /** How many pieces may begin now. In a round all begin together: much of a piece is to wait for servers. */
  const places = (now: number): number => {
    switch (foreground.callers()) {
      case "none":
        return piecesMax - running;
      case "some":
        return piecesMaxBesideCallers - running;
      case "many":
        return running === 0 && now >= restUntilMs ? piecesMax : 0;
    }
  };

  /** First come, first served. */
  const look = (): void => {
    const now = performance.now();
    for (let left = places(now), first = waiting[0]; first && (left > 0 || now >= first.untilMs); left -= 1, first = waiting[0]) {
      waiting.shift();
      if (running === 0) beganMs = now;
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

  const end = (): void => {
    running -= 1;
    const now = performance.now();
    if (running === 0) restUntilMs = now + Math.min((now - beganMs) * restFactor, restMsMax);
    look();
  };

  return {
    run: async (work) => {
      await turn();
      let hasEnded = false;
      const endOnce = (): void => {
        if (hasEnded) return;
        hasEnded = true;
        end();
      };
      const tooLong = setTimeout(endOnce, pieceMsMax);
      try {
        return await work();
      } finally {
        clearTimeout(tooLong);
        endOnce();
      }
    },
  };
}

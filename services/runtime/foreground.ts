// Calls from outside come first: while callers wait for this process, what nobody waits for takes a small share of it.

/** Knows how many callers wait. */
export interface Foreground {
  /** Counts a call from outside; answers how to say that it has ended. */
  begin(): () => void;
  isBusy(): boolean;
}

/** More callers than this make the process busy: fewer are answered without anybody standing back. */
const callersMax = 12;
/** Callers come and go in groups: between two of these nothing has changed. Milliseconds. */
const lullMs = 100;

export function createForeground(): Foreground {
  let callers = 0;
  let busyUntilMs = 0;
  return {
    begin: () => {
      callers += 1;
      if (callers > callersMax) busyUntilMs = performance.now() + lullMs;
      let isOver = false;
      return () => {
        if (!isOver) callers -= 1;
        isOver = true;
      };
    },
    isBusy: () => callers > callersMax || performance.now() < busyUntilMs,
  };
}

// Calls from outside come first: while callers wait for this process, what nobody waits for takes a smaller share of it.

/** "many": more than can be answered without anybody standing back. */
export type Callers = "none" | "some" | "many";

/** Knows how many callers wait. */
export interface Foreground {
  /** Counts a call from outside; answers how to say that it has ended. */
  begin(): () => void;
  callers(): Callers;
}

const someMax = 12;
/** Callers come and go in groups: between two of these nothing has changed. Milliseconds. */
const lullMs = 30;

export function createForeground(): Foreground {
  let callers = 0;
  let manyUntilMs = 0;
  let someUntilMs = 0;
  const note = (): void => {
    const untilMs = performance.now() + lullMs;
    someUntilMs = untilMs;
    if (callers > someMax) manyUntilMs = untilMs;
  };
  return {
    begin: () => {
      callers += 1;
      note();
      let isOver = false;
      return () => {
        if (isOver) return;
        note();
        callers -= 1;
        isOver = true;
      };
    },
    callers: () => {
      const now = performance.now();
      if (callers > someMax || now < manyUntilMs) return "many";
      return callers > 0 || now < someUntilMs ? "some" : "none";
    },
  };
}

// A wake-up that cannot be missed: a call before the wait ends the wait at once.
export interface WakeUp {
  wake(): void;
  /** Ends at the next wake, after the time, or when the signal aborts. Milliseconds. */
  wait(timeoutMs: number, signal?: AbortSignal): Promise<void>;
}

export function createWakeUp(): WakeUp {
  let woken = false;
  let release: (() => void) | undefined;
  return {
    wake: () => {
      woken = true;
      release?.();
    },
    wait: async (timeoutMs, signal) => {
      if (!woken && !signal?.aborted) {
        await new Promise<void>((resolve) => {
          const finish = (): void => {
            clearTimeout(timer);
            signal?.removeEventListener("abort", finish);
            resolve();
          };
          const timer = setTimeout(finish, timeoutMs);
          signal?.addEventListener("abort", finish, { once: true });
          release = finish;
        });
        release = undefined;
      }
      woken = false;
    },
  };
}

// What begins at nearly the same time goes the same way together. A turn of a service costs much the same for one event as for
// thirty, and an order takes some thirteen turns: one by one, twenty orders a second would keep two processors busy.

/**
 * The waves in which orders set out. Whoever comes alone does not wait; of those who come close behind each other each waits for half
 * of it on average, and is ready earlier for it, because the turns before it are fewer. Milliseconds.
 */
export const waveMs = 100;

export interface Waves {
  /** Something waits to go: begins a wave at once where the last one is long enough ago, else when it is. */
  wake(): void;
  close(): void;
}

export function createWaves({ everyMs, begin }: { everyMs: number; begin: () => void }): Waves {
  let nextMs = 0;
  let waiting: NodeJS.Timeout | undefined;
  const go = (): void => {
    waiting = undefined;
    nextMs = performance.now() + everyMs;
    begin();
  };
  return {
    wake: () => {
      if (waiting) return;
      const waitMs = nextMs - performance.now();
      if (waitMs > 0) waiting = setTimeout(go, waitMs);
      else go();
    },
    close: () => clearTimeout(waiting),
  };
}

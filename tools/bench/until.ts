// Waits for something to become so.
import { setTimeout as sleep } from "node:timers/promises";

const lookEveryMs = 20;

/** Throws where it is not so in time. */
export async function untilTrue(what: string, ask: () => Promise<boolean>, waitMsMax = 180_000): Promise<void> {
  const endMs = performance.now() + waitMsMax;
  while (!(await ask())) {
    if (performance.now() > endMs) throw new Error(`${what}: not so after ${waitMsMax / 1_000} s`);
    await sleep(lookEveryMs);
  }
}

// Waits for a condition instead of for a time.
import { setTimeout as sleep } from "node:timers/promises";

/**
 * On a machine that is busy a lease may be lost, which takes 4 s to be had again, what was in hand comes again after 5 s, and
 * what is newer is held back for up to 7 s: 16 s in which nothing is wrong.
 */
const patienceMs = 30_000;

/** Asks again every 20 ms until the answer is truthy; throws with the last error or answer after the time. */
export async function until<Answer>(ask: () => Promise<Answer> | Answer, { timeoutMs = patienceMs } = {}): Promise<Answer> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    let problem: unknown = "it stayed false";
    try {
      const answer = await ask();
      if (answer) return answer;
    } catch (error) {
      problem = error;
    }
    if (performance.now() > endMs) throw new Error(`still not so after ${timeoutMs} ms`, { cause: problem });
    await sleep(20);
  }
}

/** Like until, for assertions: passes once they do, and throws their own message in the end. */
export async function eventually(assert: () => Promise<void> | void, { timeoutMs = patienceMs } = {}): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    try {
      await assert();
      return;
    } catch (error) {
      if (performance.now() > endMs) throw error;
    }
    await sleep(20);
  }
}

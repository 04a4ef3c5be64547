// Waits for a condition instead of for a time.
import { setTimeout as sleep } from "node:timers/promises";

/** Asks again every 20 ms until the answer is truthy; throws with the last error or answer after the time. */
export async function until<Answer>(ask: () => Promise<Answer> | Answer, { timeoutMs = 15_000 } = {}): Promise<Answer> {
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
export async function eventually(assert: () => Promise<void> | void, { timeoutMs = 15_000 } = {}): Promise<void> {
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

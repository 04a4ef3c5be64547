// What a process calls while it starts may find a database that is busy with its own start.
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";

/**
 * Makes a step once more where a callee was not available, for at most `endMs`; its last refusal is thrown then, and every other at
 * once. The step must be one that may happen twice: the answer of the first may be what was lost.
 */
export async function untilAvailable<T>(step: () => Promise<T>, endMs = 30_000, pauseMs = 250): Promise<T> {
  const end = performance.now() + endMs;
  for (;;) {
    try {
      return await step();
    } catch (error) {
      if (ConnectError.from(error).code !== Code.Unavailable || performance.now() + pauseMs > end) throw error;
      await sleep(pauseMs);
    }
  }
}

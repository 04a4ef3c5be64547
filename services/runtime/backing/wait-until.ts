import { setTimeout as delay } from "node:timers/promises";

const pollIntervalMs = 5;

/** Asks until the answer is true and resolves to true, or to false once `timeoutMs` milliseconds have passed. */
export async function waitUntil(
  isTrue: () => boolean | Promise<boolean>,
  { timeoutMs }: { timeoutMs: number },
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!(await isTrue())) {
    if (performance.now() > deadline) return false;
    await delay(pollIntervalMs);
  }
  return true;
}

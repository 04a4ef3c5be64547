// After the faults: quiet, and then the time passes for which some work still waits.
import { setTimeout as sleep } from "node:timers/promises";
import { isQuiet, untilQuiet, type QuietOptions, type UnderWay } from "./quiet.ts";

export interface Rest {
  underWay: UnderWay;
  /** By performance.now(). */
  quietAtMs: number;
  /** Pieces of work that were planned for later, because a provider is asked again only then. */
  waitedForTime: number;
}

const quietMsMax = 120_000;
/** More than payments waits before it takes an ask for one that never reached the provider. */
const timePassesMs = 15 * 60_000;
const askAgainMs = 500;

/** Waits for quiet; then the clock of payments goes ahead until nothing is planned any more, and comes back. */
export async function comeToRest(
  waiting: QuietOptions & { signal: AbortSignal },
  setClock: (offsetMs: number) => void,
): Promise<Rest> {
  const first = await untilQuiet({ ...waiting, timeoutMs: quietMsMax });
  const quietAtMs = performance.now();
  if (!isQuiet(first) || first.dueLater === 0) return { underWay: first, quietAtMs, waitedForTime: 0 };
  setClock(timePassesMs);
  let underWay = first;
  while (underWay.dueLater > 0 && performance.now() < quietAtMs + quietMsMax && !waiting.signal.aborted) {
    await sleep(askAgainMs);
    underWay = await untilQuiet({ ...waiting, timeoutMs: quietMsMax });
  }
  setClock(0);
  return { underWay: { ...underWay, due: underWay.due + underWay.dueLater }, quietAtMs, waitedForTime: first.dueLater };
}

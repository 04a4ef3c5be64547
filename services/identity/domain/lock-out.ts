// How many wrong passwords an account takes, and how long it then takes none. An attempt counts as wrong before it is looked
// at, and a right one forgets them all: so attempts at the same time, through whichever process, are no more than one after
// the other. Never for good, because then anybody could lock out anybody.

/** So many attempts are free. */
const failuresFree = 10;
const lockMsMin = 30_000;
const lockMsMax = 900_000;
/** Without an attempt for so long all are forgotten. */
export const forgetMs = 24 * 3_600_000;

export interface Attempts {
  failures: number;
  lastTime: Date;
  lockedUntil: Date;
}

export type Attempt = { kind: "allowed"; attempts: Attempts } | { kind: "locked"; retryMs: number };

/** What becomes of one more attempt. The tenth locks for half a minute, each one after it for twice as long. */
export function attempt(before: Attempts, now: Date): Attempt {
  const leftMs = before.lockedUntil.getTime() - now.getTime();
  if (leftMs > 0) return { kind: "locked", retryMs: leftMs };
  const isForgotten = now.getTime() - before.lastTime.getTime() > forgetMs;
  const failures = isForgotten ? 1 : before.failures + 1;
  const lockMs = failures < failuresFree ? 0 : Math.min(lockMsMax, lockMsMin * 2 ** Math.min(failures - failuresFree, 20));
  return { kind: "allowed", attempts: { failures, lastTime: now, lockedUntil: new Date(now.getTime() + lockMs) } };
}

// A token bucket as one number, the time at which it is full again (the generic cell rate algorithm, ITU-T I.371, annex A).
// It fills by the clock alone: nothing runs for a bucket that nobody uses.
import type { Plan } from "./plan.ts";

/** What a plan says of the size of its buckets. */
export type BucketSize = Pick<Plan, "burst" | "intervalMs">;

export interface Bucket {
  /** In milliseconds of the clock that is given to the functions below; the past where it is full. */
  fullMs: number;
  /** Tokens that were taken here and of which other processes have not been told. */
  untold: number;
}

export const fullBucket = (): Bucket => ({ fullMs: Number.NEGATIVE_INFINITY, untold: 0 });

/** Sums of fractions may be wrong by less than that. Milliseconds. */
const toleranceMs = 0.001;

/** Milliseconds until there is a token; 0 where there is one. */
export function waitMs({ fullMs }: Bucket, { burst, intervalMs }: BucketSize, nowMs: number): number {
  const wait = Math.max(fullMs, nowMs) - nowMs - (burst - 1) * intervalMs;
  return wait > toleranceMs ? wait : 0;
}

/** Takes a token that is there. */
export function takeToken(bucket: Bucket, { intervalMs }: BucketSize, nowMs: number): void {
  if (bucket.fullMs <= nowMs) {
    // A bucket that has filled meanwhile is as full everywhere else: there is nothing left to tell.
    bucket.untold = 0;
    bucket.fullMs = nowMs;
  }
  bucket.fullMs += intervalMs;
  bucket.untold += 1;
}

/** Whole tokens that are there. */
export function tokensLeft({ fullMs }: Bucket, { burst, intervalMs }: BucketSize, nowMs: number): number {
  const left = burst - (Math.max(fullMs, nowMs) - nowMs) / intervalMs;
  return Math.max(0, Math.floor(left + toleranceMs));
}

/**
 * Takes what another process has granted, whether it is there or not: what is missing is owed, and nothing is granted until it
 * has come in.
 *
 * @param spentMs The time in which as much comes back.
 */
export function takeGranted(bucket: Bucket, spentMs: number, nowMs: number): void {
  bucket.fullMs = Math.max(bucket.fullMs, nowMs) + spentMs;
}

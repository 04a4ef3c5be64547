// The buckets of a process. Each plan has room for so many, and what falls out of its room is the bucket that has not been used
// for the longest time: a flood of addresses costs no more memory than that, and takes no bucket from a client with a token.
import { LRUCache } from "lru-cache";
import { fullBucket, takeGranted, takeToken, tokensLeft, waitMs, type Bucket } from "./bucket.ts";
import { planNames, type Plan, type PlanName } from "./plan.ts";

/** Buckets of one plan. */
export const bucketsMax = 20_000;
/** Others are told when so much of a bucket was taken here: what all of them do not know of each other stays small. */
const untoldShare = 1 / 16;

/** What a process has granted from a bucket. */
export interface Granted {
  plan: PlanName;
  key: string;
  /** The time in which as much comes back. Milliseconds. */
  spentMs: number;
}

/** Hears of a bucket of which the others must be told. */
export type OnUntold = (plan: Plan, key: string, bucket: Bucket) => void;

export interface Buckets {
  /** Takes a token; answers how many are left then, or undefined where there was none. */
  take(plan: Plan, key: string): number | undefined;
  /** Milliseconds until there is a token. */
  waitMs(plan: Plan, key: string): number;
  /** Takes what another process has granted. */
  charge(granted: Granted): void;
  /** Buckets of a plan. */
  count(plan: PlanName): number;
}

/** @param nowMs A clock that never goes back, in milliseconds since any time. */
export function createBuckets({ nowMs, onUntold }: { nowMs: () => number; onUntold: OnUntold }): Buckets {
  const rooms = new Map(planNames.map((name) => [name, new LRUCache<string, Bucket>({ max: bucketsMax })]));
  const bucketOf = (plan: PlanName, key: string): Bucket => {
    const room = rooms.get(plan)!;
    const known = room.get(key);
    if (known) return known;
    const bucket = fullBucket();
    room.set(key, bucket);
    return bucket;
  };
  return {
    take: (plan, key) => {
      const bucket = bucketOf(plan.name, key);
      const now = nowMs();
      if (waitMs(bucket, plan, now) > 0) return undefined;
      takeToken(bucket, plan, now);
      if (bucket.untold >= plan.burst * untoldShare) onUntold(plan, key, bucket);
      return tokensLeft(bucket, plan, now);
    },
    waitMs: (plan, key) => waitMs(bucketOf(plan.name, key), plan, nowMs()),
    charge: ({ plan, key, spentMs }) => takeGranted(bucketOf(plan, key), spentMs, nowMs()),
    count: (plan) => rooms.get(plan)!.size,
  };
}

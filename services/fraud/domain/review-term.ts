// How long a review may take.
import type { Policy } from "./rules.ts";

export const reviewDeadlineKind = "fraud.review_deadline";

/** A review of an order that names no end must have one, too. */
const reviewMsMax = 24 * 60 * 60 * 1_000;

export interface ReviewTerm {
  deadline: Date;
  /** In how many milliseconds we end it ourselves; undefined where the end of the order does. */
  endsInMs: number | undefined;
}

export function reviewTerm({ reviewSeconds }: Policy, expireTime: Date | null, now: Date): ReviewTerm {
  const lastMs = (expireTime ?? new Date(now.getTime() + reviewMsMax)).getTime();
  const ownMs = reviewSeconds === 0 ? lastMs : Math.min(now.getTime() + reviewSeconds * 1_000, lastMs);
  const endsWithOrder = expireTime !== null && ownMs >= lastMs;
  return { deadline: new Date(ownMs), endsInMs: endsWithOrder ? undefined : ownMs - now.getTime() };
}

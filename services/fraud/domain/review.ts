// Reviews: who works on them, and what becomes of them in the end.
import type { Assessment } from "./assessment.ts";

export type Decision = "CLEARED" | "REJECTED";

/** Who has taken a review and still has it. */
export function claimantOf({ claimedBy, claimExpireTime }: Assessment, now: Date): string | undefined {
  return claimExpireTime !== null && claimExpireTime > now ? claimedBy : undefined;
}

const unclaimed = { claimedBy: "", claimExpireTime: null } as const;

export type ClaimOutcome =
  | { kind: "claimed"; assessment: Assessment }
  | { kind: "already_decided"; assessment: Assessment }
  | { kind: "claimed_by_other"; claimant: string };

export function claim(
  assessment: Assessment,
  { subject, leaseMs, now }: { subject: string; leaseMs: number; now: Date },
): ClaimOutcome {
  if (assessment.state !== "REVIEW") return { kind: "already_decided", assessment };
  const claimant = claimantOf(assessment, now);
  if (claimant !== undefined && claimant !== subject) return { kind: "claimed_by_other", claimant };
  const claimExpireTime = new Date(now.getTime() + leaseMs);
  return { kind: "claimed", assessment: { ...assessment, claimedBy: subject, claimExpireTime } };
}

export type ReleaseOutcome = { kind: "released"; assessment: Assessment } | { kind: "claimed_by_other"; claimant: string };

export function release(assessment: Assessment, { subject, now }: { subject: string; now: Date }): ReleaseOutcome {
  const claimant = claimantOf(assessment, now);
  if (claimant !== undefined && claimant !== subject) return { kind: "claimed_by_other", claimant };
  return { kind: "released", assessment: { ...assessment, ...unclaimed } };
}

export type DecideOutcome =
  | { kind: "decided"; assessment: Assessment }
  | { kind: "repeated"; assessment: Assessment }
  | { kind: "already_decided"; assessment: Assessment }
  | { kind: "claimed_by_other"; claimant: string };

/** A person decides. A decision that a person has already made the same way is a repeat, whoever asks. */
export function decide(
  assessment: Assessment,
  { decision, decidedBy, note, now }: { decision: Decision; decidedBy: string; note: string; now: Date },
): DecideOutcome {
  if (assessment.state !== "REVIEW") {
    const isRepeat = assessment.decider === "PERSON" && assessment.state === decision;
    return { kind: isRepeat ? "repeated" : "already_decided", assessment };
  }
  const claimant = claimantOf(assessment, now);
  if (claimant !== undefined && claimant !== decidedBy) return { kind: "claimed_by_other", claimant };
  const decided = { state: decision, decider: "PERSON", decidedBy, decisionNote: note, decideTime: now } as const;
  return { kind: "decided", assessment: { ...assessment, ...unclaimed, ...decided, eventCount: assessment.eventCount + 1 } };
}

/** Nobody has decided in time, so that the shop's policy does. Undefined where somebody has. */
export function decideAtDeadline(
  assessment: Assessment,
  { atDeadline, now }: { atDeadline: Decision; now: Date },
): Assessment | undefined {
  if (assessment.state !== "REVIEW") return undefined;
  const decided = { state: atDeadline, decider: "DEADLINE", decideTime: now } as const;
  return { ...assessment, ...unclaimed, ...decided, eventCount: assessment.eventCount + 1 };
}

/**
 * The order has ended: a review of it leaves the queue as rejected, and nobody is told, because its end is known already.
 * Undefined where there is nothing to close.
 */
export function closeReview(assessment: Assessment, { reason, now }: { reason: string; now: Date }): Assessment | undefined {
  if (assessment.state !== "REVIEW") return undefined;
  const decided = { state: "REJECTED", decider: "CANCELLATION", decisionNote: reason, decideTime: now } as const;
  return { ...assessment, ...unclaimed, ...decided };
}

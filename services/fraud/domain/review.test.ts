// How long reviews may take, who may decide them, and what becomes of them in the end.
import { describe, expect, test } from "vitest";
import type { Assessment } from "./assessment.ts";
import { claim, closeReview, decide, decideAtDeadline, release } from "./review.ts";
import { reviewTerm } from "./review-term.ts";
import { defaultPolicy } from "./rules.ts";

const now = new Date("2026-03-01T12:00:00Z");
const after = (seconds: number): Date => new Date(now.getTime() + seconds * 1_000);

const review: Assessment = {
  tenant: "demo",
  orderId: "ord_1",
  customerId: "ada",
  state: "REVIEW",
  score: 60,
  matches: [],
  ruleSetVersion: 1,
  thresholds: defaultPolicy,
  facts: null,
  observed: null,
  total: { currencyCode: "EUR", minorUnits: 2_000 },
  placeTime: now,
  createTime: now,
  decider: null,
  decidedBy: "",
  decisionNote: "",
  decideTime: null,
  reviewDeadline: after(900),
  claimedBy: "",
  claimExpireTime: null,
  eventCount: 1,
};

test.each([
  { why: "as long as the order lives", reviewSeconds: 0, expires: 900, deadline: 900, endsInMs: undefined },
  { why: "as long as the shop says", reviewSeconds: 300, expires: 900, deadline: 300, endsInMs: 300_000 },
  { why: "not longer than the order lives", reviewSeconds: 1_000, expires: 900, deadline: 900, endsInMs: undefined },
  { why: "a day where the order names no end", reviewSeconds: 0, expires: undefined, deadline: 86_400, endsInMs: 86_400_000 },
  { why: "over where the order is", reviewSeconds: 300, expires: -5, deadline: -5, endsInMs: undefined },
])("a review may take $why", ({ reviewSeconds, expires, deadline, endsInMs }) => {
  const expireTime = expires === undefined ? null : after(expires);
  const term = reviewTerm({ ...defaultPolicy, reviewSeconds }, expireTime, now);
  expect(term).toEqual({ deadline: after(deadline), endsInMs });
});

describe("claims", () => {
  const claimedBy = (subject: string, seconds: number): Assessment => ({
    ...review,
    claimedBy: subject,
    claimExpireTime: after(seconds),
  });
  const olga = { subject: "olga", leaseMs: 600_000, now };

  test.each([
    { what: "a review", from: review, want: "claimed" },
    { what: "her own", from: claimedBy("olga", 5), want: "claimed" },
    { what: "another's", from: claimedBy("paul", 5), want: "claimed_by_other" },
    { what: "another's that has ended", from: claimedBy("paul", 0), want: "claimed" },
    { what: "one that is decided", from: { ...review, state: "CLEARED" as const }, want: "already_decided" },
  ])("olga takes $what: $want", ({ from, want }) => {
    const outcome = claim(from, olga);
    expect(outcome.kind).toBe(want);
    if (outcome.kind === "claimed") {
      expect(outcome.assessment).toMatchObject({ claimedBy: "olga", claimExpireTime: after(600) });
    }
  });

  test("only who has it gives it back or decides it, until the claim ends", () => {
    const taken = claimedBy("paul", 5);
    const decision = { decision: "CLEARED", decidedBy: "olga", note: "", now } as const;
    expect(release(taken, { subject: "olga", now })).toEqual({ kind: "claimed_by_other", claimant: "paul" });
    expect(decide(taken, decision)).toEqual({ kind: "claimed_by_other", claimant: "paul" });
    expect(release(taken, { subject: "paul", now })).toMatchObject({ assessment: { claimedBy: "", claimExpireTime: null } });
    expect(decide(taken, { ...decision, now: after(5) })).toMatchObject({ kind: "decided", assessment: { claimedBy: "" } });
  });
});

describe("decisions", () => {
  const cleared: Assessment = { ...review, state: "CLEARED", decider: "RULES", decideTime: now, reviewDeadline: null };
  const person = (decision: "CLEARED" | "REJECTED") => ({ decision, decidedBy: "olga", note: "called", now });
  const byPerson = (decision: "CLEARED" | "REJECTED"): Assessment => {
    const outcome = decide(review, person(decision));
    if (outcome.kind !== "decided") throw new Error("a review was not decided");
    return outcome.assessment;
  };
  const closed = closeReview(review, { reason: "EXPIRED", now }) ?? review;

  test.each([
    { what: "a review", from: review, decision: "CLEARED", want: "decided" },
    { what: "a review", from: review, decision: "REJECTED", want: "decided" },
    { what: "one cleared by a person", from: byPerson("CLEARED"), decision: "CLEARED", want: "repeated" },
    { what: "one cleared by a person", from: byPerson("CLEARED"), decision: "REJECTED", want: "already_decided" },
    { what: "one rejected by a person", from: byPerson("REJECTED"), decision: "REJECTED", want: "repeated" },
    { what: "one rejected by a person", from: byPerson("REJECTED"), decision: "CLEARED", want: "already_decided" },
    { what: "one cleared by the rules", from: cleared, decision: "CLEARED", want: "already_decided" },
    { what: "one closed with its order", from: closed, decision: "REJECTED", want: "already_decided" },
  ] as const)("$decision for $what: $want", ({ from, decision, want }) => {
    expect(decide(from, person(decision)).kind).toBe(want);
  });

  test("a decision names its person and has one more event to send", () => {
    expect(byPerson("REJECTED")).toMatchObject({
      state: "REJECTED",
      decider: "PERSON",
      decidedBy: "olga",
      decisionNote: "called",
      eventCount: 2,
    });
  });

  test("only a review is closed with its order", () => {
    expect(closed).toMatchObject({ state: "REJECTED", decider: "CANCELLATION", decisionNote: "EXPIRED", eventCount: 1 });
    expect([cleared, byPerson("CLEARED"), closed].map((one) => closeReview(one, { reason: "x", now }))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test.each(["CLEARED", "REJECTED"] as const)(
    "at the deadline the policy decides: %s, with an event, where nobody has",
    (atDeadline) => {
      const taken = { ...review, claimedBy: "paul", claimExpireTime: after(5) };
      expect(decideAtDeadline(taken, { atDeadline, now })).toMatchObject({
        state: atDeadline,
        decider: "DEADLINE",
        decidedBy: "",
        claimedBy: "",
        eventCount: 2,
      });
      for (const decided of [cleared, byPerson("CLEARED"), closed]) {
        expect(decideAtDeadline(decided, { atDeadline, now })).toBeUndefined();
      }
    },
  );
});

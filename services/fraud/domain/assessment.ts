// What fraud thinks of an order, and who may still change it.
import { matchRules, type Money, type Rule, type RuleMatch, type ScreenedOrder } from "./rules.ts";
import { byPlaceTime, velocityCounter, type VelocityQuestion } from "./velocity.ts";

export type AssessmentState = "CLEARED" | "REVIEW" | "REJECTED";
export type Decision = "CLEARED" | "REJECTED";
/** The rules alone, a person, or the end of the order. */
export type Decider = "RULES" | "PERSON" | "CANCELLATION";

export interface Assessment {
  tenant: string;
  orderId: string;
  customerId: string;
  state: AssessmentState;
  score: number;
  matches: RuleMatch[];
  total: Money;
  placeTime: Date;
  createTime: Date;
  /** Null, as is decideTime, while it waits for a person. */
  decider: Decider | null;
  /** Empty unless a person decided. */
  decidedBy: string;
  decisionNote: string;
  decideTime: Date | null;
  /** Events sent for this order so far. */
  eventCount: number;
}

const reviewScoreMin = 50;
const rejectScoreMin = 100;

export function stateOfScore(score: number): AssessmentState {
  if (score >= rejectScoreMin) return "REJECTED";
  return score >= reviewScoreMin ? "REVIEW" : "CLEARED";
}

export interface AssessInput {
  orders: readonly ScreenedOrder[];
  rules: ReadonlyMap<string, readonly Rule[]>;
  velocity: { questions: readonly VelocityQuestion[]; counts: readonly number[] };
  now: Date;
}

/** Assesses a batch. Each assessment has one event to send. */
export function assessOrders({ orders, rules, velocity, now }: AssessInput): Assessment[] {
  const counter = velocityCounter(velocity.questions, velocity.counts);
  return byPlaceTime(orders).map((order) => {
    const matches = matchRules(order, rules.get(order.tenant) ?? [], counter.ordersBefore);
    counter.add(order);
    const score = matches.reduce((sum, { weight }) => sum + weight, 0);
    const state = stateOfScore(score);
    const { tenant, orderId, customerId, total, placeTime } = order;
    const isDecided = state !== "REVIEW";
    return {
      tenant,
      orderId,
      customerId,
      state,
      score,
      matches,
      total,
      placeTime,
      createTime: now,
      decider: isDecided ? "RULES" : null,
      decidedBy: "",
      decisionNote: "",
      decideTime: isDecided ? now : null,
      eventCount: 1,
    };
  });
}

export type DecideOutcome =
  | { kind: "decided"; assessment: Assessment }
  | { kind: "repeated"; assessment: Assessment }
  | { kind: "already_decided"; assessment: Assessment };

/** A person decides. A decision that a person has already made the same way is a repeat, whoever asks. */
export function decide(
  assessment: Assessment,
  { decision, decidedBy, note, now }: { decision: Decision; decidedBy: string; note: string; now: Date },
): DecideOutcome {
  if (assessment.state === "REVIEW") {
    const decided = { state: decision, decider: "PERSON", decidedBy, decisionNote: note, decideTime: now } as const;
    return { kind: "decided", assessment: { ...assessment, ...decided, eventCount: assessment.eventCount + 1 } };
  }
  const isRepeat = assessment.decider === "PERSON" && assessment.state === decision;
  return { kind: isRepeat ? "repeated" : "already_decided", assessment };
}

/**
 * The order has ended: a review of it leaves the queue as rejected, and nobody is told, because its end is known already.
 * Undefined where there is nothing to close.
 */
export function closeReview(assessment: Assessment, { reason, now }: { reason: string; now: Date }): Assessment | undefined {
  if (assessment.state !== "REVIEW") return undefined;
  return { ...assessment, state: "REJECTED", decider: "CANCELLATION", decisionNote: reason, decideTime: now };
}

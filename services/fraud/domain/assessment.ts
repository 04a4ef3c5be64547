// What fraud thinks of an order, and who may still change it.
import type { Observed } from "./conditions.ts";
import type { Money, OrderFacts, ScreenedOrder } from "./order.ts";
import {
  judge,
  matchesOf,
  scoreOf,
  stateOfScore,
  type Policy,
  type RuleMatch,
  type RuleSet,
  type ScoreState,
  type Verdict,
} from "./rules.ts";
import { byPlaceTime, velocityCounter, type VelocityQuestion } from "./velocity.ts";

export type AssessmentState = ScoreState;
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
  /** Of the rule set that scored it; 0 where that was before rule sets had versions. */
  ruleSetVersion: number;
  /** By which it was scored. */
  policy: Policy;
  /** What the rules looked at; null, as is observed, where it was not kept then or the customer is erased. */
  facts: OrderFacts | null;
  observed: Observed | null;
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

export interface AssessInput {
  orders: readonly ScreenedOrder[];
  /** By tenant. */
  ruleSets: ReadonlyMap<string, RuleSet>;
  velocity: { questions: readonly VelocityQuestion[]; counts: readonly number[] };
  /** In which lists something of an order is. */
  listIdsOf(order: ScreenedOrder): string[];
  now: Date;
}

/** Assesses a batch. Each assessment has one event to send. Throws where an order's tenant has no rule set. */
export function assessOrders({ orders, ruleSets, velocity, listIdsOf, now }: AssessInput): Assessment[] {
  const counter = velocityCounter(velocity.questions, velocity.counts);
  return byPlaceTime(orders).map((order) => {
    const ruleSet = ruleSets.get(order.tenant);
    if (!ruleSet) throw new Error(`there is no rule set of tenant ${order.tenant}`);
    const observed = { velocity: counter.observe(order), listIds: listIdsOf(order) };
    counter.add(order);
    return assessmentOf(order, { ruleSet, observed, now });
  });
}

function assessmentOf(
  order: ScreenedOrder,
  { ruleSet, observed, now }: { ruleSet: RuleSet; observed: Observed; now: Date },
): Assessment {
  const { tenant, orderId, customerId, total, placeTime, ...facts } = order;
  const matches = matchesOf(judge(order, ruleSet.rules, observed));
  const score = scoreOf(matches);
  const state = stateOfScore(score, ruleSet.policy);
  const isDecided = state !== "REVIEW";
  return {
    tenant,
    orderId,
    customerId,
    state,
    score,
    matches,
    ruleSetVersion: ruleSet.version,
    policy: ruleSet.policy,
    facts,
    observed,
    total,
    placeTime,
    createTime: now,
    decider: isDecided ? "RULES" : null,
    decidedBy: "",
    decisionNote: "",
    decideTime: isDecided ? now : null,
    eventCount: 1,
  };
}

/** The order as it was screened; undefined where that is not known any more. */
export function screenedOrderOf({ facts, tenant, orderId, customerId, total, placeTime }: Assessment): ScreenedOrder | undefined {
  return facts ? { tenant, orderId, customerId, total, placeTime, ...facts } : undefined;
}

/** What each rule found, from what it looked at; none where that is not known any more. */
export function verdictsOf(assessment: Assessment, { rules }: Pick<RuleSet, "rules">): Verdict[] {
  const order = screenedOrderOf(assessment);
  return order && assessment.observed ? judge(order, rules, assessment.observed) : [];
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

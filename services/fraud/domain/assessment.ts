// What fraud thinks of an order, and who may still change it.
import type { Observed } from "./conditions.ts";
import type { Money, OrderFacts, ScreenedOrder } from "./order.ts";
import {
  judge,
  matchesOf,
  scoreOf,
  stateOfScore,
  type RuleMatch,
  type RuleSet,
  type ScoreState,
  type Thresholds,
  type Verdict,
} from "./rules.ts";
import { reviewTerm } from "./review-term.ts";
import { byPlaceTime, velocityCounter, type VelocityQuestion } from "./velocity.ts";

export type AssessmentState = ScoreState;
/** The rules alone, a person, the time that a review may take, or the end of the order. */
export type Decider = "RULES" | "PERSON" | "DEADLINE" | "CANCELLATION";

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
  thresholds: Thresholds;
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
  /** Null where it never was in review. */
  reviewDeadline: Date | null;
  /** Empty, and claimExpireTime null, where nobody has taken the review. */
  claimedBy: string;
  claimExpireTime: Date | null;
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
  const { tenant, orderId, customerId, total, placeTime, expireTime, ...facts } = order;
  const matches = matchesOf(judge(order, ruleSet.rules, observed));
  const score = scoreOf(matches);
  const state = stateOfScore(score, ruleSet.policy);
  const isDecided = state !== "REVIEW";
  const { reviewScoreMin, rejectScoreMin } = ruleSet.policy;
  return {
    tenant,
    orderId,
    customerId,
    state,
    score,
    matches,
    ruleSetVersion: ruleSet.version,
    thresholds: { reviewScoreMin, rejectScoreMin },
    facts,
    observed,
    total,
    placeTime,
    createTime: now,
    decider: isDecided ? "RULES" : null,
    decidedBy: "",
    decisionNote: "",
    decideTime: isDecided ? now : null,
    reviewDeadline: isDecided ? null : reviewTerm(ruleSet.policy, expireTime, now).deadline,
    claimedBy: "",
    claimExpireTime: null,
    eventCount: 1,
  };
}

/** The order as it was screened; undefined where that is not known any more. */
export function screenedOrderOf({ facts, tenant, orderId, customerId, total, placeTime }: Assessment): ScreenedOrder | undefined {
  return facts ? { tenant, orderId, customerId, total, placeTime, expireTime: null, ...facts } : undefined;
}

/** What each rule found, from what it looked at; none where that is not known any more. */
export function verdictsOf(assessment: Assessment, { rules }: Pick<RuleSet, "rules">): Verdict[] {
  const order = screenedOrderOf(assessment);
  return order && assessment.observed ? judge(order, rules, assessment.observed) : [];
}

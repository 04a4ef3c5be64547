// Between the contract's assessments and the domain's.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { AssessmentState as State, type AssessmentSchema, type OrderFactsSchema } from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import type { Assessment, AssessmentState, Decider } from "../domain/assessment.ts";
import type { OrderFacts } from "../domain/order.ts";
import type { RuleMatch, Verdict } from "../domain/rules.ts";
import type { ReviewNote } from "../store/reviews.ts";
import { moneyMessage } from "./condition-messages.ts";
import { effectMessages, modeMessages, verdictMessage } from "./rule-messages.ts";

export const stateMessages = {
  CLEARED: State.CLEARED,
  REVIEW: State.REVIEW,
  REJECTED: State.REJECTED,
} as const satisfies Record<AssessmentState, State>;

/** Undefined where the message names no state. */
export function stateOfMessage(message: State): AssessmentState | undefined {
  const states = ["CLEARED", "REVIEW", "REJECTED"] as const satisfies AssessmentState[];
  return states.find((state) => stateMessages[state] === message);
}

/** Shown as the one who decided where nobody did. */
const deciderNames: Partial<Record<Decider, string>> = { CANCELLATION: "order cancelled", DEADLINE: "deadline" };

export function assessmentMessage(
  assessment: Assessment,
  { verdicts = [], notes = [] }: { verdicts?: readonly Verdict[]; notes?: readonly ReviewNote[] } = {},
): MessageInitShape<typeof AssessmentSchema> {
  const { orderId, customerId, state, score, matches, total, decider, decisionNote, decideTime, thresholds, facts } = assessment;
  const { reviewDeadline, claimedBy, claimExpireTime } = assessment;
  return {
    orderId,
    customerId,
    score,
    decisionNote,
    matches: matches.map(matchMessage),
    state: stateMessages[state],
    total: moneyMessage(total),
    decidedBy: (decider && deciderNames[decider]) ?? assessment.decidedBy,
    createTime: timestampFromDate(assessment.createTime),
    ...(decideTime ? { decideTime: timestampFromDate(decideTime) } : {}),
    ruleSetVersion: assessment.ruleSetVersion,
    reviewScoreMin: thresholds.reviewScoreMin,
    rejectScoreMin: thresholds.rejectScoreMin,
    ...(facts ? { facts: factsMessage(facts) } : {}),
    verdicts: verdicts.map(verdictMessage),
    notes: notes.map(noteMessage),
    claimedBy,
    ...(reviewDeadline ? { reviewDeadline: timestampFromDate(reviewDeadline) } : {}),
    ...(claimExpireTime ? { claimExpireTime: timestampFromDate(claimExpireTime) } : {}),
  };
}

export const noteMessage = ({ author, text, createTime }: ReviewNote) => ({
  author,
  text,
  createTime: timestampFromDate(createTime),
});

const matchMessage = ({ mode, effect, ...match }: RuleMatch) => ({
  ...match,
  mode: modeMessages[mode],
  effect: effectMessages[effect],
});

const factsMessage = ({ units, ...facts }: OrderFacts): MessageInitShape<typeof OrderFactsSchema> => ({
  ...facts,
  units: BigInt(units),
});

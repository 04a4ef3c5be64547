// Between the contract's messages and the domain's values.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  AssessmentState as State,
  RuleSchema,
  type AssessmentSchema,
  type Rule as RuleMessage,
} from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import type { Assessment, AssessmentState } from "../domain/assessment.ts";
import type { Condition } from "../domain/rules.ts";
import type { StoredRule } from "../store/rules.ts";

const stateMessages = {
  CLEARED: State.CLEARED,
  REVIEW: State.REVIEW,
  REJECTED: State.REJECTED,
} as const satisfies Record<AssessmentState, State>;

/** Undefined where the message names no state. */
export function stateOfMessage(message: State): AssessmentState | undefined {
  const states = ["CLEARED", "REVIEW", "REJECTED"] as const satisfies AssessmentState[];
  return states.find((state) => stateMessages[state] === message);
}

/** Shown as the one who decided where the end of the order closed a review. */
const cancellationName = "order cancelled";

export function assessmentMessage(assessment: Assessment): MessageInitShape<typeof AssessmentSchema> {
  const { orderId, customerId, state, score, matches, total, decider, decisionNote, decideTime } = assessment;
  return {
    orderId,
    customerId,
    score,
    matches,
    decisionNote,
    state: stateMessages[state],
    total: { currencyCode: total.currencyCode, minorUnits: BigInt(total.minorUnits) },
    decidedBy: decider === "CANCELLATION" ? cancellationName : assessment.decidedBy,
    createTime: timestampFromDate(assessment.createTime),
    ...(decideTime ? { decideTime: timestampFromDate(decideTime) } : {}),
  };
}

export function ruleMessage({ ruleId, description, weight, condition, createTime }: StoredRule): RuleMessage {
  return create(RuleSchema, {
    ruleId,
    description,
    weight,
    condition: conditionMessage(condition),
    createTime: timestampFromDate(createTime),
  });
}

function conditionMessage(condition: Condition): NonNullable<MessageInitShape<typeof RuleSchema>["condition"]> {
  switch (condition.kind) {
    case "bin":
      return { case: "bin", value: { prefix: condition.prefix } };
    case "device":
      return { case: "device", value: { fingerprint: condition.fingerprint } };
    case "velocity":
      return { case: "velocity", value: { ordersMax: condition.ordersMax, windowSeconds: condition.windowSeconds } };
    case "amount": {
      const { currencyCode, minorUnits } = condition.atLeast;
      return { case: "amount", value: { atLeast: { currencyCode, minorUnits: BigInt(minorUnits) } } };
    }
  }
}

/** The contract's rules have seen to it that there is one. */
export function conditionOfMessage({ condition }: RuleMessage): Condition {
  switch (condition.case) {
    case "bin":
      return { kind: "bin", prefix: condition.value.prefix };
    case "device":
      return { kind: "device", fingerprint: condition.value.fingerprint };
    case "velocity":
      return { kind: "velocity", ordersMax: condition.value.ordersMax, windowSeconds: condition.value.windowSeconds };
    case "amount": {
      const { currencyCode = "", minorUnits = 0n } = condition.value.atLeast ?? {};
      return { kind: "amount", atLeast: { currencyCode, minorUnits: Number(minorUnits) } };
    }
    case undefined:
      throw new Error("a rule without a condition passed validation");
  }
}

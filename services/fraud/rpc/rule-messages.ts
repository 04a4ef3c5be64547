// Between the contract's rules and rule sets and the domain's.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  DeadlineDecision,
  RuleEffect as Effect,
  RuleMode as Mode,
  RuleSchema,
  type FraudPolicy,
  type FraudPolicySchema,
  type Rule as RuleMessage,
  type RuleSetSchema,
  type RuleVerdictSchema,
} from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import type { Policy, Rule, RuleEffect, RuleMode, Verdict } from "../domain/rules.ts";
import type { StoredRule, StoredRuleSet } from "../store/rules.ts";
import { conditionMessage, conditionOfMessage } from "./condition-messages.ts";

export const modeMessages = { ACTIVE: Mode.ACTIVE, SHADOW: Mode.SHADOW } as const satisfies Record<RuleMode, Mode>;
export const effectMessages = { ADD: Effect.ADD, ALLOW: Effect.ALLOW } as const satisfies Record<RuleEffect, Effect>;

export function ruleMessage({ ruleId, description, weight, condition, createTime, ...rule }: StoredRule): RuleMessage {
  return create(RuleSchema, {
    ruleId,
    description,
    weight,
    condition: conditionMessage(condition),
    createTime: timestampFromDate(createTime),
    disabled: rule.isDisabled,
    mode: modeMessages[rule.mode],
    effect: effectMessages[rule.effect],
  });
}

/** What a request says of a rule; its id is the server's. */
export function ruleOfMessage(message: RuleMessage): Omit<Rule, "ruleId"> {
  const { description, weight, disabled, mode, effect } = message;
  return {
    description,
    weight,
    condition: conditionOfMessage(message),
    isDisabled: disabled,
    mode: mode === Mode.SHADOW ? "SHADOW" : "ACTIVE",
    effect: effect === Effect.ALLOW ? "ALLOW" : "ADD",
  };
}

export const policyMessage = ({ atDeadline, ...policy }: Policy): MessageInitShape<typeof FraudPolicySchema> => ({
  ...policy,
  atDeadline: atDeadline === "CLEARED" ? DeadlineDecision.CLEAR : DeadlineDecision.REJECT,
});

export const policyOfMessage = ({ reviewScoreMin, rejectScoreMin, reviewSeconds, atDeadline }: FraudPolicy): Policy => ({
  reviewScoreMin,
  rejectScoreMin,
  reviewSeconds,
  atDeadline: atDeadline === DeadlineDecision.CLEAR ? "CLEARED" : "REJECTED",
});

export function ruleSetMessage(ruleSet: StoredRuleSet): MessageInitShape<typeof RuleSetSchema> {
  const { version, policy, rules, changedBy, createTime } = ruleSet;
  return {
    version,
    changedBy,
    policy: policyMessage(policy),
    rules: rules.map(ruleMessage),
    ...(createTime ? { createTime: timestampFromDate(createTime) } : {}),
  };
}

export function verdictMessage({ rule, isMatch, saw }: Verdict): MessageInitShape<typeof RuleVerdictSchema> {
  const { ruleId, description, weight, mode, effect } = rule;
  return { ruleId, description, weight, saw, matched: isMatch, mode: modeMessages[mode], effect: effectMessages[effect] };
}

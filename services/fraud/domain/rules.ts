// Rules, and what they come to for an order.
import { look, type Condition, type Observed } from "./conditions.ts";
import type { ScreenedOrder } from "./order.ts";

/** A rule in SHADOW records its matches, which count for nothing. */
export type RuleMode = "ACTIVE" | "SHADOW";
/** A match adds the rule's weight to the score, or makes the score 0 whatever the others add. */
export type RuleEffect = "ADD" | "ALLOW";

export interface Rule {
  ruleId: string;
  description: string;
  /** Points, 1 to 100; 0 where it allows. */
  weight: number;
  condition: Condition;
  isDisabled: boolean;
  mode: RuleMode;
  effect: RuleEffect;
}

/** Which scores mean what. */
export interface Thresholds {
  reviewScoreMin: number;
  rejectScoreMin: number;
}

export interface Policy extends Thresholds {
  /** How long a review may take; 0 where only the end of its order ends it. */
  reviewSeconds: number;
  /** What becomes of a review that nobody has decided in time. */
  atDeadline: "CLEARED" | "REJECTED";
}

/** What holds where a shop has said nothing. */
export const defaultPolicy: Policy = { reviewScoreMin: 50, rejectScoreMin: 100, reviewSeconds: 0, atDeadline: "REJECTED" };

/** The rules and the policy from one change to the next. */
export interface RuleSet {
  /** From 1, which a shop begins with. */
  version: number;
  policy: Policy;
  rules: readonly Rule[];
}

export interface RuleMatch {
  ruleId: string;
  weight: number;
  explanation: string;
  mode: RuleMode;
  effect: RuleEffect;
}

export interface Verdict {
  rule: Rule;
  isMatch: boolean;
  /** In words. */
  saw: string;
}

/** What each rule finds that is not disabled; in the order given. */
export function judge(order: ScreenedOrder, rules: readonly Rule[], observed: Observed): Verdict[] {
  return rules.filter(({ isDisabled }) => !isDisabled).map((rule) => ({ rule, ...look(rule.condition, order, observed) }));
}

/** The rules that match, the heaviest first; rules of one weight in the order given. */
export function matchesOf(verdicts: readonly Verdict[]): RuleMatch[] {
  return verdicts
    .filter(({ isMatch }) => isMatch)
    .map(({ rule: { ruleId, weight, description, mode, effect }, saw }) => ({
      ruleId,
      weight,
      explanation: `${saw}: ${description}`,
      mode,
      effect,
    }))
    .toSorted((one, other) => other.weight - one.weight);
}

export function scoreOf(matches: readonly Pick<RuleMatch, "weight" | "mode" | "effect">[]): number {
  const counting = matches.filter(({ mode }) => mode === "ACTIVE");
  if (counting.some(({ effect }) => effect === "ALLOW")) return 0;
  return counting.reduce((sum, { weight }) => sum + weight, 0);
}

export type ScoreState = "CLEARED" | "REVIEW" | "REJECTED";

export function stateOfScore(score: number, { reviewScoreMin, rejectScoreMin }: Thresholds): ScoreState {
  if (score >= rejectScoreMin) return "REJECTED";
  return score >= reviewScoreMin ? "REVIEW" : "CLEARED";
}

export type ChangedRules =
  | { kind: "rules"; rules: Rule[] }
  /** There is no such rule in force that could be replaced or removed. */
  | { kind: "unknown_rule"; ruleId: string };

/** The rules in force with some changes: rules with an id replace, those without one are added under "new-1" and so on. */
export function changeRules(
  inForce: readonly Rule[],
  { put, removeIds, withoutCurrent }: { put: readonly Rule[]; removeIds: readonly string[]; withoutCurrent: boolean },
): ChangedRules {
  const known = new Set(inForce.map(({ ruleId }) => ruleId));
  const replacing = new Map(put.filter(({ ruleId }) => ruleId !== "").map((rule) => [rule.ruleId, rule]));
  const unknown = [...replacing.keys(), ...removeIds].find((ruleId) => !known.has(ruleId));
  if (unknown !== undefined) return { kind: "unknown_rule", ruleId: unknown };
  const removed = new Set(removeIds);
  const kept = inForce.flatMap((rule) => {
    if (removed.has(rule.ruleId)) return [];
    return replacing.get(rule.ruleId) ?? (withoutCurrent ? [] : [rule]);
  });
  const added = put.filter(({ ruleId }) => ruleId === "").map((rule, index) => ({ ...rule, ruleId: `new-${index + 1}` }));
  return { kind: "rules", rules: [...kept, ...added] };
}

/** Ids of the lists to which a rule refers. */
export const listIdsOf = ({ condition }: Pick<Rule, "condition">): string[] =>
  (condition.kind === "all" ? condition.conditions : [condition]).flatMap((part) => (part.kind === "list" ? [part.listId] : []));

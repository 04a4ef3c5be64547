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
export interface Policy {
  reviewScoreMin: number;
  rejectScoreMin: number;
}

/** What holds where a shop has said nothing. */
export const defaultPolicy: Policy = { reviewScoreMin: 50, rejectScoreMin: 100 };

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

export function stateOfScore(score: number, { reviewScoreMin, rejectScoreMin }: Policy): ScoreState {
  if (score >= rejectScoreMin) return "REJECTED";
  return score >= reviewScoreMin ? "REVIEW" : "CLEARED";
}

/** Ids of the lists to which a rule refers. */
export const listIdsOf = ({ condition }: Pick<Rule, "condition">): string[] =>
  (condition.kind === "all" ? condition.conditions : [condition]).flatMap((part) => (part.kind === "list" ? [part.listId] : []));

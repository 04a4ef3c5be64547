// What other rules would have made of past orders, beside what was made of them.
import { screenedOrderOf, type Assessment } from "./assessment.ts";
import type { Observed } from "./conditions.ts";
import type { ScreenedOrder } from "./order.ts";
import { judge, matchesOf, scoreOf, stateOfScore, type Rule, type ScoreState, type Thresholds } from "./rules.ts";

export type Counts = Record<ScoreState, number>;

export interface Example {
  orderId: string;
  was: ScoreState;
  scoreWas: number;
  would: ScoreState;
  scoreWould: number;
  /** Of what matches, the heaviest first. */
  explanations: string[];
}

export interface DryRun {
  orders: number;
  skippedErased: number;
  skippedUnknown: number;
  was: Counts;
  would: Counts;
  changed: number;
  /** By rule: of how many orders it finds what it looks for, and of how many of them it did when they were screened. */
  matched: Map<string, { would: number; both: number }>;
  examples: Example[];
}

export const examplesMax = 20;
const explanationsMax = 20;

export const newDryRun = (rules: readonly Rule[]): DryRun => ({
  orders: 0,
  skippedErased: 0,
  skippedUnknown: 0,
  was: { CLEARED: 0, REVIEW: 0, REJECTED: 0 },
  would: { CLEARED: 0, REVIEW: 0, REJECTED: 0 },
  changed: 0,
  matched: new Map(rules.map(({ ruleId }) => [ruleId, { would: 0, both: 0 }])),
  examples: [],
});

/** An assessment that may be tried again, and whether its customer is erased. */
export interface PastAssessment {
  assessment: Assessment;
  isErased: boolean;
}

/** Those of which it is known what rules looked at; the others are counted as skipped. */
export function triable(run: DryRun, past: readonly PastAssessment[]): { assessment: Assessment; order: ScreenedOrder }[] {
  return past.flatMap(({ assessment, isErased }) => {
    const order = screenedOrderOf(assessment);
    if (order) return [{ assessment, order }];
    if (isErased) run.skippedErased += 1;
    else run.skippedUnknown += 1;
    return [];
  });
}

/** Tries one order, and counts what comes of it. */
export function tryRules(
  run: DryRun,
  { assessment, order }: { assessment: Assessment; order: ScreenedOrder },
  { rules, thresholds, observed }: { rules: readonly Rule[]; thresholds: Thresholds; observed: Observed },
): void {
  const matches = matchesOf(judge(order, rules, observed));
  const scoreWould = scoreOf(matches);
  // What a person has made of it later says nothing about rules.
  const was = stateOfScore(assessment.score, assessment.thresholds);
  const would = stateOfScore(scoreWould, thresholds);
  const matchedThen = new Set(assessment.matches.map(({ ruleId }) => ruleId));
  run.orders += 1;
  run.was[was] += 1;
  run.would[would] += 1;
  for (const { ruleId } of matches) {
    const counts = run.matched.get(ruleId);
    if (!counts) continue;
    counts.would += 1;
    if (matchedThen.has(ruleId)) counts.both += 1;
  }
  if (was === would) return;
  run.changed += 1;
  if (run.examples.length === examplesMax) return;
  const explanations = matches.slice(0, explanationsMax).map(({ explanation }) => explanation);
  run.examples.push({ orderId: order.orderId, was, scoreWas: assessment.score, would, scoreWould, explanations });
}

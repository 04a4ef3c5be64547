// What fraud tells of an order's history: the score, the rules that made it, and who decided. Of rules only their ids and kinds: what
// they saw is the buyer's.
import { sql, type Kysely } from "kysely";
import type { AskedOrder, TellHistory, ToldFact, ToldHistory } from "#runtime/history/told-history.ts";
import type { AssessmentState, Decider } from "../domain/assessment.ts";
import type { RuleEffect, RuleMode } from "../domain/rules.ts";
import type { Tables } from "./tables.ts";

interface HistoryRow {
  orderId: string;
  state: AssessmentState;
  score: number;
  reviewScoreMin: number;
  rejectScoreMin: number;
  createTime: Date;
  decider: Decider | null;
  decidedBy: string;
  decideTime: Date | null;
  reviewDeadline: Date | null;
  matches: { ruleId: string; kind: string | null; weight: number; mode: RuleMode | null; effect: RuleEffect | null }[];
}

const toldBy: Record<AssessmentState, string> = {
  CLEARED: "FraudCleared",
  REVIEW: "FraudReviewRequired",
  REJECTED: "FraudRejected",
};

export function assessmentHistory(db: Kysely<Tables>): TellHistory {
  return async (order) => {
    const row = await readHistory(db, order);
    return row ? toldOf(row) : { facts: [], waits: [] };
  };
}

async function readHistory(db: Kysely<Tables>, { tenant, orderId }: AskedOrder): Promise<HistoryRow | undefined> {
  const read = await sql<HistoryRow>`
    select order_id as "orderId", state, score, review_score_min as "reviewScoreMin", reject_score_min as "rejectScoreMin",
      create_time as "createTime", decider, decided_by as "decidedBy", decide_time as "decideTime",
      review_deadline as "reviewDeadline",
      (
        select coalesce(json_agg(json_build_object('ruleId', match ->> 'ruleId', 'weight', (match ->> 'weight')::integer,
          'mode', match ->> 'mode', 'effect', match ->> 'effect', 'kind', (
            select kind from rule where rule.tenant_id = assessment.tenant_id and rule.rule_id = match ->> 'ruleId'
            order by from_version desc limit 1
          )) order by place), '[]')
        from jsonb_array_elements(matches) with ordinality as seen (match, place)
      ) as matches
    from assessment where tenant_id = ${tenant} and order_id = ${orderId}`.execute(db);
  return read.rows[0];
}

function toldOf(row: HistoryRow): ToldHistory {
  const { orderId, state, decider, reviewDeadline, createTime, decideTime } = row;
  const wasReviewed = decider !== "RULES";
  const first: AssessmentState = wasReviewed ? "REVIEW" : state;
  const scored: ToldFact = {
    kind: "DECISION",
    name: first,
    time: createTime,
    text: `${scoreText(row)}: ${first}`,
    toldBy: toldBy[first],
  };
  const waits =
    state === "REVIEW"
      ? [
          {
            text: "somebody to decide about its screening",
            until: reviewDeadline ?? undefined,
            nextStep: `POST /v1/orders/${orderId}/assessment:decide`,
          },
        ]
      : [];
  if (!wasReviewed || !decideTime) return { facts: [scored], waits };
  const decided: ToldFact = {
    kind: "DECISION",
    name: state,
    time: decideTime,
    text: `${deciderText(row)}: ${state}`,
    toldBy: toldBy[state],
  };
  return { facts: [scored, decided], waits };
}

/** A rule in shadow counts for nothing, and one that allows makes the score 0. */
function scoreText({ score, reviewScoreMin, rejectScoreMin, matches }: HistoryRow): string {
  const rules = matches.map(({ ruleId, kind, weight, mode, effect }) => {
    const points = effect === "ALLOW" ? "allows" : `${weight} points`;
    return `${ruleId} (${kind ?? "removed"}, ${points}${mode === "SHADOW" ? ", in shadow" : ""})`;
  });
  const by = rules.length === 0 ? "no rule" : rules.join(", ");
  return `scored ${score} by ${by}, where ${reviewScoreMin} is for review and ${rejectScoreMin} is rejected`;
}

function deciderText({ decider, decidedBy }: HistoryRow): string {
  switch (decider) {
    case "PERSON":
      return `${decidedBy} decided`;
    case "DEADLINE":
      return "nobody decided in time";
    case "CANCELLATION":
      return "the order ended before anybody decided";
    case "RULES":
    case null:
      return "the rules decided";
  }
}

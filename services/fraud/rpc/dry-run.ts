// Tries rules on past orders. It only reads.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { Code, type ServiceImpl } from "@connectrpc/connect";
import type { DryRunRulesRequest, DryRunRulesResponseSchema, FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { cutPage, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { newDryRun, triable, tryRules, type Counts, type DryRun, type PastAssessment } from "../domain/dry-run.ts";
import { entryQuestions, listsFoundFor, listsOfRules } from "../domain/lists.ts";
import { valueOf, type ScreenedOrder } from "../domain/order.ts";
import { changeRules, type Rule, type Thresholds } from "../domain/rules.ts";
import { velocityCounter, velocityQuestions } from "../domain/velocity.ts";
import { findEntries, kindsOf } from "../store/lists.ts";
import { pastAssessments, type PastPlace } from "../store/past.ts";
import type { Tables } from "../store/tables.ts";
import { answerVelocity } from "../store/velocity.ts";
import { stateMessages } from "./messages.ts";
import { policyOfMessage, ruleOfMessage } from "./rule-messages.ts";
import { assertListsExist, assertReady, ruleNotFound, ruleSetInForce, rulesMax, tooManyRules } from "./rules.ts";

const pageSizeDefault = 500;
/** So many orders are tried at once, before others get their turn. */
const ordersAtOnce = 100;

type Methods = Pick<ServiceImpl<typeof FraudService>, "dryRunRules">;

/** What is tried. */
interface Candidate extends Thresholds {
  rules: readonly Rule[];
}

export function dryRunMethods(runtime: ServiceRuntime<Tables>): Methods {
  const { db } = runtime;

  const candidateOf = async (tenant: string, request: DryRunRulesRequest): Promise<Candidate> => {
    const inForce = await ruleSetInForce(db, tenant);
    if (inForce.rules.length === 0) await assertReady(db, tenant);
    const put = request.putRules.map((rule) => ({ ...ruleOfMessage(rule), ruleId: rule.ruleId }));
    const { removeRuleIds: removeIds, withoutCurrent } = request;
    const changed = changeRules(inForce.rules, { put, removeIds, withoutCurrent });
    if (changed.kind === "unknown_rule") throw ruleNotFound(changed.ruleId);
    if (changed.rules.length > rulesMax) throw tooManyRules();
    for (const rule of put) await assertListsExist(db, tenant, rule);
    const { reviewScoreMin, rejectScoreMin } = request.policy ? policyOfMessage(request.policy) : inForce.policy;
    return { rules: changed.rules, reviewScoreMin, rejectScoreMin };
  };

  /** What the candidate would have known of each order when it was screened; lists as they are now. */
  const observe = async (tenant: string, orders: readonly ScreenedOrder[], { rules }: Candidate) => {
    const byTenant = new Map([[tenant, rules]]);
    const questions = velocityQuestions(orders, byTenant);
    const asked = questions.map((question) => ({ ...question, value: valueOf(question.order, question.by) }));
    const counts = await answerVelocity(db, asked, { overtakenSeconds: 0 });
    const counter = velocityCounter(questions, counts);
    const lists = await kindsOf(db, listsOfRules(byTenant));
    const found = await findEntries(db, { questions: entryQuestions(orders, lists), now: runtime.clock.now() });
    const listIdsOf = listsFoundFor(lists, found);
    return (order: ScreenedOrder) => ({ velocity: counter.observe(order), listIds: listIdsOf(order) });
  };

  const tryAll = async (run: DryRun, past: readonly PastAssessment[], candidate: Candidate): Promise<void> => {
    const tried = triable(run, past);
    const { tenant } = currentRequest();
    const observed = await observe(
      tenant,
      tried.map(({ order }) => order),
      candidate,
    );
    for (const one of tried) {
      tryRules(run, one, { rules: candidate.rules, thresholds: candidate, observed: observed(one.order) });
    }
  };

  return {
    dryRunRules: async (request) => {
      const { tenant } = currentRequest();
      const after = placeOf(request.pageToken);
      const candidate = await candidateOf(tenant, request);
      const pageSize = request.pageSize === 0 ? pageSizeDefault : request.pageSize;
      // One more than the page says whether there is another.
      const rows = await pastAssessments(db, { tenant, ...rangeOf(request), after, rowsMax: pageSize + 1 });
      const page = cutPage(rows, pageSize, ({ assessment: { placeTime, orderId } }) => `past:${placeTime.getTime()}:${orderId}`);
      const run = newDryRun(candidate.rules);
      for (let from = 0; from < page.rows.length; from += ordersAtOnce) {
        await runtime.inBackground(() => tryAll(run, page.rows.slice(from, from + ordersAtOnce), candidate));
      }
      return { ...runMessage(run, candidate), nextPageToken: page.nextPageToken };
    },
  };
}

function rangeOf({ startTime, endTime }: DryRunRulesRequest): { startTime: Date; endTime: Date } {
  if (!startTime || !endTime) throw new Error("a request without its range passed validation");
  return { startTime: timestampDate(startTime), endTime: timestampDate(endTime) };
}

function placeOf(pageToken: string): PastPlace | undefined {
  const key = readPageToken(pageToken);
  if (key === undefined) return undefined;
  const [, placeMs = "", orderId = ""] = /^past:(\d+):(.+)$/.exec(key) ?? [];
  const placeTime = new Date(Number(placeMs));
  if (orderId !== "" && !Number.isNaN(placeTime.getTime())) return { placeTime, orderId };
  throw refuse(Code.InvalidArgument, "PAGE_TOKEN_INVALID", "page_token was given by another list");
}

function runMessage(run: DryRun, { rules }: Candidate): MessageInitShape<typeof DryRunRulesResponseSchema> {
  const { orders, skippedErased, skippedUnknown, was, would, changed, matched, examples } = run;
  return {
    orders,
    skippedErased,
    skippedUnknown,
    changed,
    was: countsMessage(was),
    would: countsMessage(would),
    rules: rules.map(({ ruleId, description }) => {
      const { would: wouldMatch = 0, both = 0 } = matched.get(ruleId) ?? {};
      return { ruleId, description, matched: wouldMatch, matchedThen: both };
    }),
    examples: examples.map((example) => ({
      ...example,
      was: stateMessages[example.was],
      would: stateMessages[example.would],
    })),
  };
}

const countsMessage = ({ CLEARED, REVIEW, REJECTED }: Counts) => ({ cleared: CLEARED, review: REVIEW, rejected: REJECTED });

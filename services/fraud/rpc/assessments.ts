// Reading assessments, and a person's decision.
import { Code, type ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { Kysely } from "kysely";
import { AssessmentSchema, AssessmentState } from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import type { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { actingSubject } from "#runtime/access/authorize.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { decide, verdictsOf, type Assessment } from "../domain/assessment.ts";
import { defaultPolicy, type Verdict } from "../domain/rules.ts";
import { findAssessment, listAssessments, lockAssessments, saveDecisions } from "../store/assessments.ts";
import { findRuleSet } from "../store/rules.ts";
import { tellOf } from "../store/outbox.ts";
import { keyOf, type Tables } from "../store/tables.ts";
import { assessmentMessage, stateOfMessage } from "./messages.ts";

type Methods = Pick<ServiceImpl<typeof FraudService>, "getAssessment" | "listAssessments" | "decideAssessment">;

export function assessmentMethods(runtime: ServiceRuntime<Tables>): Methods {
  const { db, clock } = runtime;
  return {
    getAssessment: async ({ orderId }) => {
      const assessment = await findAssessment(db, { tenant: currentRequest().tenant, orderId });
      if (!assessment) throw notFound(orderId);
      return { assessment: assessmentMessage(assessment, await explain(db, assessment)) };
    },

    listAssessments: async (request) => {
      const state = stateOfMessage(request.state);
      const list = state ?? "ALL";
      const pageSize = pageSizeOf(request.pageSize);
      const rows = await listAssessments(db, {
        tenant: currentRequest().tenant,
        state,
        afterOrderId: afterOrderIdOf(request.pageToken, list),
        // One more than the page says whether there is another.
        rowsMax: pageSize + 1,
      });
      const page = cutPage(rows, pageSize, ({ orderId }) => `${list}:${orderId}`);
      return { assessments: page.rows.map((row) => assessmentMessage(row)), nextPageToken: page.nextPageToken };
    },

    decideAssessment: async ({ orderId, decision, note }) => {
      const decidedBy = actingSubject();
      const key = { tenant: currentRequest().tenant, orderId };
      const cause = requestCause();
      const outcome = await runtime.transaction(async (tx) => {
        const assessment = (await lockAssessments(tx, [key])).get(keyOf(key));
        if (!assessment) throw notFound(orderId);
        const now = clock.now();
        const wanted = decision === AssessmentState.CLEARED ? "CLEARED" : "REJECTED";
        const outcome = decide(assessment, { decision: wanted, decidedBy, note, now });
        if (outcome.kind === "decided") {
          await recordChange(tx, {
            resource: { kind: "assessment", id: orderId },
            before: shown(AssessmentSchema, assessmentMessage(assessment)),
            after: shown(AssessmentSchema, assessmentMessage(outcome.assessment)),
          });
          await saveDecisions(tx, [outcome.assessment]);
          await tellOf(tx, [{ assessment: outcome.assessment, time: now, cause }]);
        }
        return outcome;
      });
      if (outcome.kind === "already_decided") {
        const { state } = outcome.assessment;
        throw refuse(Code.FailedPrecondition, "ASSESSMENT_ALREADY_DECIDED", `order ${orderId} is ${state} already`, {
          orderId,
          state,
        });
      }
      return { assessment: assessmentMessage(outcome.assessment) };
    },
  };
}

/** What each rule of the version that scored it has found. */
async function explain(db: Kysely<Tables>, assessment: Assessment): Promise<Verdict[]> {
  const { tenant, ruleSetVersion: version, facts } = assessment;
  if (!facts) return [];
  const ruleSet = await findRuleSet(db, { tenant, version, first: defaultPolicy });
  return ruleSet ? verdictsOf(assessment, ruleSet) : [];
}

function notFound(orderId: string): ConnectError {
  return refuse(Code.NotFound, "ASSESSMENT_NOT_FOUND", `order ${orderId} has not been assessed`, { orderId });
}

/** A token names its list, because the place in one list is none in another. */
function afterOrderIdOf(pageToken: string, list: string): string | undefined {
  const key = readPageToken(pageToken);
  if (key === undefined || key.startsWith(`${list}:`)) return key?.slice(list.length + 1);
  throw refuse(Code.InvalidArgument, "PAGE_TOKEN_INVALID", "page_token was given by a list of another state");
}

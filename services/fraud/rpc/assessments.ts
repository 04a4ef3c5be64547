// Reading assessments.
import { Code, type ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { Kysely } from "kysely";
import type { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { verdictsOf, type Assessment } from "../domain/assessment.ts";
import { defaultPolicy, type Verdict } from "../domain/rules.ts";
import { findAssessment, listAssessments } from "../store/assessments.ts";
import { notesOf } from "../store/reviews.ts";
import { findRuleSet } from "../store/rules.ts";
import type { Tables } from "../store/tables.ts";
import { assessmentMessage, stateOfMessage } from "./messages.ts";

type Methods = Pick<ServiceImpl<typeof FraudService>, "getAssessment" | "listAssessments">;

export function assessmentMethods({ db }: ServiceRuntime<Tables>): Methods {
  return {
    getAssessment: async ({ orderId }) => {
      const assessment = await findAssessment(db, { tenant: currentRequest().tenant, orderId });
      if (!assessment) throw assessmentNotFound(orderId);
      const [verdicts, notes] = await Promise.all([explain(db, assessment), notesOf(db, assessment)]);
      return { assessment: assessmentMessage(assessment, { verdicts, notes }) };
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
  };
}

/** What each rule of the version that scored it has found. */
async function explain(db: Kysely<Tables>, assessment: Assessment): Promise<Verdict[]> {
  const { tenant, ruleSetVersion: version, facts } = assessment;
  if (!facts) return [];
  const ruleSet = await findRuleSet(db, { tenant, version, first: defaultPolicy });
  return ruleSet ? verdictsOf(assessment, ruleSet) : [];
}

export function assessmentNotFound(orderId: string): ConnectError {
  return refuse(Code.NotFound, "ASSESSMENT_NOT_FOUND", `order ${orderId} has not been assessed`, { orderId });
}

/** A token names its list, because the place in one list is none in another. */
function afterOrderIdOf(pageToken: string, list: string): string | undefined {
  const key = readPageToken(pageToken);
  if (key === undefined || key.startsWith(`${list}:`)) return key?.slice(list.length + 1);
  throw refuse(Code.InvalidArgument, "PAGE_TOKEN_INVALID", "page_token was given by a list of another state");
}

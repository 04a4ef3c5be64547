// The queue of reviews, who works on which, what they write, and what they decide.
import { Code, type ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { Transaction } from "kysely";
import { AssessmentSchema, AssessmentState, ReviewNoteSchema } from "#gen/ordermesh/fraud/v1/assessment_pb.ts";
import type { FraudService } from "#gen/ordermesh/fraud/v1/fraud_service_pb.ts";
import { actingSubject } from "#runtime/access/authorize.ts";
import { recordChange } from "#runtime/audit-log/record.ts";
import { shown } from "#runtime/audit-log/shown.ts";
import { refuse } from "#runtime/errors.ts";
import { requestCause } from "#runtime/events/outgoing.ts";
import { cutPage, pageSizeOf, readPageToken } from "#runtime/page-token.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { cancelDue } from "#runtime/schedule/due-work.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import type { Assessment } from "../domain/assessment.ts";
import { claim, decide, release } from "../domain/review.ts";
import { reviewDeadlineKind } from "../domain/review-term.ts";
import { lockAssessments, saveDecisions } from "../store/assessments.ts";
import { tellOf } from "../store/outbox.ts";
import { insertNote, isErased, listReviews, notesOf, saveClaim, type QueuePlace } from "../store/reviews.ts";
import { dueKeyOf, keyOf, type OrderKey, type Tables } from "../store/tables.ts";
import { assessmentNotFound } from "./assessments.ts";
import { assessmentMessage, noteMessage } from "./messages.ts";

const leaseSecondsDefault = 600;
const notesMax = 100;

type Methods = Pick<
  ServiceImpl<typeof FraudService>,
  "listReviews" | "claimReview" | "releaseReview" | "addReviewNote" | "decideAssessment"
>;

export function reviewMethods(runtime: ServiceRuntime<Tables>): Methods {
  const { db, clock } = runtime;

  /** The assessment of an order of the tenant at hand, locked. */
  const withLocked = async <Result>(
    orderId: string,
    work: (tx: Transaction<Tables>, assessment: Assessment) => Promise<Result>,
  ): Promise<Result> => {
    const key: OrderKey = { tenant: currentRequest().tenant, orderId };
    return await runtime.transaction(async (tx) => {
      const assessment = (await lockAssessments(tx, [key])).get(keyOf(key));
      if (!assessment) throw assessmentNotFound(orderId);
      return await work(tx, assessment);
    });
  };

  return {
    listReviews: async ({ unclaimedOnly, pageSize: asked, pageToken }) => {
      const pageSize = pageSizeOf(asked);
      const rows = await listReviews(db, {
        tenant: currentRequest().tenant,
        after: placeOf(pageToken),
        unclaimedAt: unclaimedOnly ? clock.now() : undefined,
        // One more than the page says whether there is another.
        rowsMax: pageSize + 1,
      });
      const page = cutPage(rows, pageSize, ({ reviewDeadline, orderId }) => `review:${reviewDeadline?.getTime()}:${orderId}`);
      return { assessments: page.rows.map((row) => assessmentMessage(row)), nextPageToken: page.nextPageToken };
    },

    claimReview: async ({ orderId, leaseSeconds }) => {
      const subject = actingSubject();
      const leaseMs = (leaseSeconds === 0 ? leaseSecondsDefault : leaseSeconds) * 1_000;
      return await withLocked(orderId, async (tx, before) => {
        const outcome = claim(before, { subject, leaseMs, now: clock.now() });
        if (outcome.kind === "already_decided") throw alreadyDecided(outcome.assessment);
        if (outcome.kind === "claimed_by_other") throw claimed(orderId, outcome.claimant);
        await saveClaim(tx, outcome.assessment);
        await recordAssessment(tx, before, outcome.assessment);
        return { assessment: assessmentMessage(outcome.assessment) };
      });
    },

    releaseReview: async ({ orderId }) => {
      const subject = actingSubject();
      return await withLocked(orderId, async (tx, before) => {
        const outcome = release(before, { subject, now: clock.now() });
        if (outcome.kind === "claimed_by_other") throw claimed(orderId, outcome.claimant);
        await saveClaim(tx, outcome.assessment);
        await recordAssessment(tx, before, outcome.assessment);
        return { assessment: assessmentMessage(outcome.assessment) };
      });
    },

    addReviewNote: async ({ orderId, text }) => {
      const note = { author: actingSubject(), text, createTime: clock.now() };
      return await withLocked(orderId, async (tx, assessment) => {
        if (await isErased(tx, assessment)) throw erased(orderId);
        if ((await notesOf(tx, assessment)).length >= notesMax) throw tooManyNotes(orderId);
        await insertNote(tx, assessment, note);
        const message = noteMessage(note);
        await recordChange(tx, { resource: resourceOf(orderId), after: { note: shown(ReviewNoteSchema, message) } });
        return { note: message };
      });
    },

    decideAssessment: async ({ orderId, decision, note }) => {
      const decidedBy = actingSubject();
      const cause = requestCause();
      return await withLocked(orderId, async (tx, before) => {
        const now = clock.now();
        const wanted = decision === AssessmentState.CLEARED ? "CLEARED" : "REJECTED";
        const outcome = decide(before, { decision: wanted, decidedBy, note, now });
        if (outcome.kind === "already_decided") throw alreadyDecided(outcome.assessment);
        if (outcome.kind === "claimed_by_other") throw claimed(orderId, outcome.claimant);
        const { assessment } = outcome;
        if (outcome.kind === "decided") {
          await recordAssessment(tx, before, assessment);
          await saveDecisions(tx, [assessment]);
          await cancelDue(tx, reviewDeadlineKind, [dueKeyOf(assessment)]);
          await tellOf(tx, [{ assessment, time: now, cause }]);
        }
        return { assessment: assessmentMessage(assessment) };
      });
    },
  };
}

const resourceOf = (orderId: string) => ({ kind: "assessment", id: orderId });

async function recordAssessment(tx: Transaction<Tables>, before: Assessment, after: Assessment): Promise<void> {
  await recordChange(tx, {
    resource: resourceOf(after.orderId),
    before: shown(AssessmentSchema, assessmentMessage(before)),
    after: shown(AssessmentSchema, assessmentMessage(after)),
  });
}

function placeOf(pageToken: string): QueuePlace | undefined {
  const key = readPageToken(pageToken);
  if (key === undefined) return undefined;
  const [, deadlineMs = "", orderId = ""] = /^review:(\d+):(.+)$/.exec(key) ?? [];
  const deadline = new Date(Number(deadlineMs));
  if (orderId !== "" && !Number.isNaN(deadline.getTime())) return { deadline, orderId };
  throw refuse(Code.InvalidArgument, "PAGE_TOKEN_INVALID", "page_token was given by another list");
}

const alreadyDecided = ({ orderId, state }: Assessment): ConnectError =>
  refuse(Code.FailedPrecondition, "ASSESSMENT_ALREADY_DECIDED", `order ${orderId} is ${state} already`, { orderId, state });

const claimed = (orderId: string, claimant: string): ConnectError =>
  refuse(
    Code.FailedPrecondition,
    "REVIEW_CLAIMED",
    `${claimant} works on the review of order ${orderId}: take another one, or wait until the claim ends`,
    { orderId, claimedBy: claimant },
  );

const erased = (orderId: string): ConnectError =>
  refuse(
    Code.FailedPrecondition,
    "ASSESSMENT_ERASED",
    `the customer of order ${orderId} is erased: nothing more is written about it`,
    {
      orderId,
    },
  );

const tooManyNotes = (orderId: string): ConnectError =>
  refuse(Code.ResourceExhausted, "TOO_MANY_NOTES", `there are ${notesMax} notes about order ${orderId} already`, {
    notesMax: String(notesMax),
  });

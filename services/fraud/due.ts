// Reviews that nobody has decided in time are decided by the shop's policy.
import type { Transaction } from "kysely";
import type { ServiceRuntime } from "#runtime/service.ts";
import { dueWork, type DueItem, type DueWork } from "#runtime/schedule/due-work.ts";
import { decideAtDeadline } from "./domain/review.ts";
import { reviewDeadlineKind } from "./domain/review-term.ts";
import { defaultPolicy } from "./domain/rules.ts";
import { lockAssessments, saveDecisions } from "./store/assessments.ts";
import { tellOf } from "./store/outbox.ts";
import { ruleSetsOf } from "./store/rules.ts";
import { keyOf, type Tables } from "./store/tables.ts";

export function reviewDeadlines({ clock }: Pick<ServiceRuntime<Tables>, "clock">): DueWork {
  return dueWork<Tables>({
    kind: reviewDeadlineKind,
    apply: (tx, items) =>
      endReviews(
        tx,
        items.map(({ item }) => item),
        clock.now(),
      ),
  });
}

/** Whoever decides at the same moment has locked the assessment, or finds it decided. */
async function endReviews(tx: Transaction<Tables>, items: readonly DueItem[], now: Date): Promise<void> {
  const reviews = items.map(({ tenant, key, cause }) => ({ tenant, orderId: key, cause }));
  const assessments = await lockAssessments(tx, reviews);
  const tenants = [...new Set(reviews.map(({ tenant }) => tenant))];
  // As the policy is now, so that a shop that changes its mind changes it for what waits, too.
  const ruleSets = await ruleSetsOf(tx, { tenants, first: defaultPolicy });
  const ended = reviews.flatMap((review) => {
    const assessment = assessments.get(keyOf(review));
    const { atDeadline } = ruleSets.get(review.tenant)?.policy ?? defaultPolicy;
    const decided = assessment && decideAtDeadline(assessment, { atDeadline, now });
    return decided ? [{ assessment: decided, time: now, cause: review.cause }] : [];
  });
  await saveDecisions(
    tx,
    ended.map(({ assessment }) => assessment),
  );
  await tellOf(tx, ended);
}

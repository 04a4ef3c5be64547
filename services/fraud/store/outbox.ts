// What fraud tells the others about an assessment.
import type { Transaction } from "kysely";
import {
  FraudClearedSchema,
  FraudRejectedSchema,
  FraudReviewRequiredSchema,
} from "#gen/ordermesh/fraud/events/v1/fraud_events_pb.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, type Cause, type OutgoingEvent } from "#runtime/events/outgoing.ts";
import type { Assessment } from "../domain/assessment.ts";
import type { Tables } from "./tables.ts";

/** The heaviest come first; 500 rules with long descriptions would not fit into an event. */
const explanationsMax = 20;

/** Sends the newest event of each assessment, into the transaction that saves it. */
export async function tellOf(
  tx: Transaction<Tables>,
  news: readonly { assessment: Assessment; time: Date; cause: Cause }[],
): Promise<void> {
  await appendEvents(tx, news.map(eventOf));
}

function eventOf({ assessment, time, cause }: { assessment: Assessment; time: Date; cause: Cause }): OutgoingEvent {
  const { tenant, orderId, score, eventCount } = assessment;
  const about = { tenant, sequence: eventCount, time, cause };
  const explanations = assessment.matches.slice(0, explanationsMax).map(({ explanation }) => explanation);
  switch (assessment.state) {
    case "CLEARED":
      return outgoing(FraudClearedSchema, { orderId, score }, about);
    case "REVIEW":
      return outgoing(FraudReviewRequiredSchema, { orderId, score, explanations }, about);
    case "REJECTED":
      return outgoing(FraudRejectedSchema, { orderId, score, explanations }, about);
  }
}

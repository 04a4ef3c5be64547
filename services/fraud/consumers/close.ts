// Closes the reviews of orders that have ended, and remembers orders that ended before they were screened.
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Transaction } from "kysely";
import type { OrderCancelled } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import type { ReceivedEvent } from "#runtime/events/hearing.ts";
import { cancelDue } from "#runtime/schedule/due-work.ts";
import { closeReview } from "../domain/review.ts";
import { reviewDeadlineKind } from "../domain/review-term.ts";
import { lockAssessments, rememberCancelled, saveDecisions } from "../store/assessments.ts";
import { dueKeyOf, keyOf, type Tables } from "../store/tables.ts";

export async function close(tx: Transaction<Tables>, events: ReceivedEvent<OrderCancelled>[], now: Date): Promise<void> {
  const orders = events.map(({ tenant, message }) => ({
    tenant,
    orderId: message.orderId,
    key: keyOf({ tenant, orderId: message.orderId }),
    reason: message.reason,
    cancelTime: message.cancelTime ? timestampDate(message.cancelTime) : now,
  }));
  // The first cancellation of an order counts.
  const cancelled = [...new Map(orders.toReversed().map((order) => [order.key, order])).values()];
  const assessed = await lockAssessments(tx, cancelled);
  await rememberCancelled(
    tx,
    cancelled.filter(({ key }) => !assessed.has(key)),
  );
  const closed = cancelled.flatMap(({ key, reason }) => {
    const assessment = assessed.get(key);
    return (assessment && closeReview(assessment, { reason, now })) ?? [];
  });
  await saveDecisions(tx, closed);
  await cancelDue(tx, reviewDeadlineKind, closed.map(dueKeyOf));
}

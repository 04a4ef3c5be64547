// Every command that was answered has the effect that the answer told of, once; and nothing happened that nobody asked for.
import type { Outcome } from "../command.ts";
import type { Asked } from "../asked.ts";
import type { AssessmentRow, Books, Left, OrderRow } from "./books.ts";
import type { ExpectedReturn } from "./returns.ts";
import { findings, type Disagreement, type Findings } from "./disagreement.ts";

const finalStates: readonly string[] = ["delivered", "returned", "cancelled"];

const acceptedIds = (outcomes: readonly Outcome[]): Set<string> =>
  new Set(outcomes.flatMap((outcome) => (outcome.kind === "accepted" ? [String(outcome.body["orderId"])] : [])));

const isAccepted = (outcome: Outcome | undefined): boolean => outcome?.kind === "accepted";

export function checkCommands(
  asked: readonly Asked[],
  { books, returns }: { books: Books; returns: readonly ExpectedReturn[] },
): Findings[] {
  const byRequest = new Map(books.orders.map((order) => [order.requestId, order]));
  const assessments = new Map(books.assessments.map((assessment) => [assessment.orderId, assessment]));
  // What is wanted instead of what comes back is ordered under the id of the return.
  const exchanges = returns.filter((one) => one.asked.planned.exchange).map(({ returnId }) => returnId);
  const shipments = Map.groupBy(books.shipments, ({ orderId }) => orderId);
  const keys = new Set([...asked.map(({ key }) => key), ...exchanges]);
  return [
    findings(asked, (entry) => placement(entry, byRequest.get(entry.key))),
    findings(asked, (entry) => followUp(entry, { order: byRequest.get(entry.key), assessments, shipments })),
    findings(books.orders, ({ orderId, requestId }) => [
      keys.has(requestId ?? "")
        ? undefined
        : { rule: "order_nobody_asked_for", subject: orderId, message: `its request is ${requestId ?? "none"}` },
    ]),
  ];
}

function placement(entry: Asked, order: OrderRow | undefined): (Disagreement | undefined)[] {
  const ids = acceptedIds(entry.placed);
  const subject = entry.key;
  if (ids.size > 1)
    return [{ rule: "command_answered_twice", subject, message: `one key, several orders: ${[...ids].join(", ")}` }];
  const [orderId] = ids;
  if (orderId !== undefined && order?.orderId !== orderId) {
    return [
      { rule: "accepted_order_lost", subject, message: `${orderId} was accepted, and ${order?.orderId ?? "no order"} is there` },
    ];
  }
  const isRefused = entry.placed.length > 0 && entry.placed.every(({ kind }) => kind === "refused");
  if (isRefused && order)
    return [{ rule: "refused_order_exists", subject, message: `${order.orderId} is there and was refused` }];
  return [];
}

function followUp(
  entry: Asked,
  {
    order,
    assessments,
    shipments,
  }: {
    order: OrderRow | undefined;
    assessments: ReadonlyMap<string, AssessmentRow>;
    shipments: ReadonlyMap<string, readonly unknown[]>;
  },
): (Disagreement | undefined)[] {
  if (!order) return [];
  const subject = order.orderId;
  const assessment = assessments.get(order.orderId);
  const { cancelled, decided, proved, shape, split } = entry;
  const isUnproved = shape === "buyer_left" || (proved?.isApproved === false && isAccepted(proved.outcome));
  const parcels = shipments.get(order.orderId)?.length ?? 0;
  const isLate = cancelled?.kind === "refused" && cancelled.reason === "ORDER_ALREADY_DISPATCHED";
  return [
    isAccepted(cancelled) && order.state !== "cancelled"
      ? { rule: "cancellation_lost", subject, message: `its cancellation was accepted, and it is ${order.state}` }
      : undefined,
    isUnproved && !["pending", "cancelled"].includes(order.state)
      ? { rule: "goods_without_proof", subject, message: `its buyer has not said yes to its bank, and it is ${order.state}` }
      : undefined,
    isLate && order.state === "cancelled"
      ? { rule: "cancelled_after_dispatch", subject, message: "its parcel had left when it was asked to be cancelled" }
      : undefined,
    isAccepted(split) && parcels !== 2
      ? { rule: "split_lost", subject, message: `its parcel was split once, and it has ${parcels}` }
      : undefined,
    isAccepted(decided?.outcome) && assessment?.decider === "PERSON" && assessment.state !== decided?.decision
      ? { rule: "decision_lost", subject, message: `${decided?.decision} was decided, and it is ${assessment.state}` }
      : undefined,
  ];
}

/** Final, or waiting for somebody with a name: a person who looks at it. */
export function checkOrdersEnd(books: Books): Findings {
  const inReview = new Set(books.assessments.filter(({ state }) => state === "REVIEW").map(({ orderId }) => orderId));
  const withLetter = new Set(books.parked.map(({ key }) => key));
  return findings(books.orders, ({ orderId, state }) => [
    finalStates.includes(state) || inReview.has(orderId) || withLetter.has(orderId)
      ? undefined
      : { rule: "order_stuck", subject: orderId, message: `it is ${state}, and nobody and nothing is waited for` },
  ]);
}

/** Where all is at rest nothing is planned any more. */
export function checkWorkLeft(left: Left): Findings {
  return findings(left.due, ({ service, kind, key, attempt, dueTime }) => [
    {
      rule: "work_left",
      subject: key,
      message: `${service} still plans ${kind}, attempt ${attempt}, at ${dueTime.toISOString()}`,
    },
  ]);
}

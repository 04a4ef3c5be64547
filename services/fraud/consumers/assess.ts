// Screens orders that were created: asks what the rules need to know, decides, and keeps and tells the result.
import type { Transaction } from "kysely";
import type { OrderCreated } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import { RefusedEvent, type ReceivedEvent } from "#runtime/events/hearing.ts";
import { assessOrders } from "../domain/assessment.ts";
import { defaultRules } from "../domain/default-rules.ts";
import { entryQuestions, listsFoundFor, listsOfRules } from "../domain/lists.ts";
import { valueOf, type ScreenedOrder } from "../domain/order.ts";
import { reviewDeadlineKind, reviewTerm } from "../domain/review-term.ts";
import { defaultPolicy, type Rule, type RuleSet } from "../domain/rules.ts";
import { velocityQuestions, type VelocityQuestion } from "../domain/velocity.ts";
import { findCancelled, insertAssessments, lockAssessments } from "../store/assessments.ts";
import { findEntries, kindsOf } from "../store/lists.ts";
import { tellOf } from "../store/outbox.ts";
import { findPrepared, ruleSetsOf } from "../store/rules.ts";
import { keyOf, type Tables } from "../store/tables.ts";
import { answerVelocity, lockValues, overtakenSecondsMax } from "../store/velocity.ts";
import { screenedOrder } from "./screened-order.ts";

export async function assess(tx: Transaction<Tables>, events: ReceivedEvent<OrderCreated>[], now: Date): Promise<void> {
  const created = new Map((await withoutKnown(tx, events)).map((event) => [keyOfEvent(event), event]));
  const orders = [...created.values()].map(screenedOrder);
  if (orders.length === 0) return;
  const ruleSets = await ruleSetsInForce(tx, [...new Set(orders.map(({ tenant }) => tenant))]);
  const rules = new Map([...ruleSets].map(([tenant, ruleSet]) => [tenant, ruleSet.rules]));
  const questions = velocityQuestions(orders, rules);
  const counts = await countForBatch(tx, questions);
  const listIdsOf = await lookIntoLists(tx, { orders, rules, now });
  const byKey = new Map(orders.map((order) => [keyOf(order), order]));
  const assessed = assessOrders({ orders, ruleSets, velocity: { questions, counts }, listIdsOf, now }).flatMap((assessment) => {
    const event = created.get(keyOf(assessment));
    return event ? [{ assessment, event }] : [];
  });
  await Promise.all([
    insertAssessments(
      tx,
      assessed.map(({ assessment, event }) => ({ ...assessment, orderEventId: event.id })),
    ),
    tellOf(
      tx,
      assessed.map(({ assessment, event }) => ({ assessment, time: now, cause: event.cause })),
    ),
    planDue(
      tx,
      assessed.flatMap(({ assessment, event }) => {
        const { tenant, orderId, state } = assessment;
        const policy = ruleSets.get(tenant)?.policy;
        if (state !== "REVIEW" || !policy) return [];
        const { endsInMs } = reviewTerm(policy, byKey.get(keyOf(assessment))?.expireTime ?? null, now);
        if (endsInMs === undefined) return [];
        return [{ kind: reviewDeadlineKind, tenant, key: orderId, due: { inMs: endsInMs }, cause: event.cause }];
      }),
    ),
  ]);
}

/** An order may come before the word of its shop; it is screened by what the shop is about to get, and not by nothing. */
async function ruleSetsInForce(tx: Transaction<Tables>, tenants: readonly string[]): Promise<Map<string, RuleSet>> {
  const ruleSets = new Map<string, RuleSet>(await ruleSetsOf(tx, { tenants, first: defaultPolicy }));
  const without = tenants.filter((tenant) => ruleSets.get(tenant)?.rules.length === 0);
  if (without.length === 0) return ruleSets;
  const prepared = await findPrepared(tx, without);
  for (const tenant of without) {
    if (!prepared.has(tenant)) ruleSets.set(tenant, { version: 1, policy: defaultPolicy, rules: defaultRules });
  }
  return ruleSets;
}

async function countForBatch(tx: Transaction<Tables>, questions: readonly VelocityQuestion[]): Promise<number[]> {
  if (questions.length === 0) return [];
  const asked = questions.map((question) => ({ ...question, value: valueOf(question.order, question.by) }));
  await lockValues(tx, asked);
  return answerVelocity(tx, asked, { overtakenSeconds: overtakenSecondsMax });
}

async function lookIntoLists(
  tx: Transaction<Tables>,
  { orders, rules, now }: { orders: readonly ScreenedOrder[]; rules: ReadonlyMap<string, readonly Rule[]>; now: Date },
): Promise<(order: ScreenedOrder) => string[]> {
  const wanted = listsOfRules(rules);
  if (wanted.length === 0) return () => [];
  const lists = await kindsOf(tx, wanted);
  const found = await findEntries(tx, { questions: entryQuestions(orders, lists), now });
  return listsFoundFor(lists, found);
}

const keyOfEvent = ({ tenant, message }: ReceivedEvent<{ orderId: string }>): string =>
  keyOf({ tenant, orderId: message.orderId });

/** Leaves out orders that have ended and events that were handled before. Throws where an order is created a second time. */
async function withoutKnown(
  tx: Transaction<Tables>,
  events: ReceivedEvent<OrderCreated>[],
): Promise<ReceivedEvent<OrderCreated>[]> {
  const keys = events.map(({ tenant, message }) => ({ tenant, orderId: message.orderId }));
  const [assessed, cancelled] = await Promise.all([lockAssessments(tx, keys), findCancelled(tx, keys)]);
  const handledBy = new Map([...assessed].map(([key, { orderEventId }]) => [key, orderEventId]));
  return events.filter((event) => {
    const key = keyOfEvent(event);
    if (cancelled.has(key)) return false;
    const handledId = handledBy.get(key);
    if (handledId !== undefined && handledId !== event.id) {
      throw new RefusedEvent("DUPLICATE_ORDER", `order ${event.message.orderId} was created before, by event ${handledId}`);
    }
    handledBy.set(key, event.id);
    return handledId === undefined;
  });
}

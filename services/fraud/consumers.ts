// New orders are screened; a review of an order that has ended is closed; of an erased customer nothing is told any more. New
// shops get rules.
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Transaction } from "kysely";
import { TenantCreatedSchema, type TenantCreated } from "#gen/ordermesh/identity/events/v1/identity_events_pb.ts";
import { OrderCreatedSchema as OrderCreatedV1Schema } from "#gen/ordermesh/orders/events/v1/order_created_pb.ts";
import { OrderCancelledSchema, OrderErasedSchema, type OrderCancelled } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { OrderCreatedSchema, type OrderCreated } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { hear, tells, RefusedEvent, type Hearing, type ReceivedEvent } from "#runtime/events/hearing.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { raiseOrderCreatedV1 } from "../upcasts/order-created.ts";
import { assessOrders, closeReview } from "./domain/assessment.ts";
import { defaultRules } from "./domain/default-rules.ts";
import type { Rule, ScreenedOrder } from "./domain/rules.ts";
import { velocityQuestions, type VelocityQuestion } from "./domain/velocity.ts";
import {
  countOrdersBefore,
  findCancelled,
  insertAssessments,
  lockAssessments,
  lockCustomers,
  rememberCancelled,
  saveDecisions,
} from "./store/assessments.ts";
import { tellOf } from "./store/outbox.ts";
import { eraseAssessments } from "./store/personal-data.ts";
import { findPrepared, prepareRules, rulesOf } from "./store/rules.ts";
import { keyOf, type Tables } from "./store/tables.ts";

export function fraudHears({ clock }: Pick<ServiceRuntime<Tables>, "clock">): Hearing[] {
  return [
    hear<typeof OrderCreatedSchema, Tables>({
      name: "fraud.assess",
      event: OrderCreatedSchema,
      older: [tells(OrderCreatedV1Schema, raiseOrderCreatedV1)],
      handle: (tx, events) => assess(tx, events, clock.now()),
    }),
    hear<typeof OrderCancelledSchema, Tables>({
      name: "fraud.close",
      event: OrderCancelledSchema,
      handle: (tx, events) => close(tx, events, clock.now()),
    }),
    hear<typeof OrderErasedSchema, Tables>({
      name: "fraud.erase",
      event: OrderErasedSchema,
      handle: (tx, events) =>
        eraseAssessments(
          tx,
          events.map(({ tenant, key }) => ({ tenant, orderId: key })),
        ),
    }),
    hear<typeof TenantCreatedSchema, Tables>({
      name: "fraud.prepare_tenant",
      event: TenantCreatedSchema,
      handle: (tx, events) => prepareTenants(tx, events, clock.now()),
    }),
  ];
}

/** Rows can be made only for the tenant whose event it is, so that is who gets them. */
async function prepareTenants(tx: Transaction<Tables>, events: ReceivedEvent<TenantCreated>[], now: Date): Promise<void> {
  for (const { tenant } of events) await prepareRules(tx, { tenant, rules: defaultRules, now });
}

/** An order may come before the word of its shop; it is screened by what the shop is about to get, and not by nothing. */
async function rulesInForce(tx: Transaction<Tables>, tenants: readonly string[]): Promise<Map<string, readonly Rule[]>> {
  const rules = new Map<string, readonly Rule[]>(await rulesOf(tx, tenants));
  const without = tenants.filter((tenant) => !rules.has(tenant));
  if (without.length === 0) return rules;
  const prepared = await findPrepared(tx, without);
  for (const tenant of without) if (!prepared.has(tenant)) rules.set(tenant, defaultRules);
  return rules;
}

async function assess(tx: Transaction<Tables>, events: ReceivedEvent<OrderCreated>[], now: Date): Promise<void> {
  const created = new Map((await withoutKnown(tx, events)).map((event) => [orderKeyOf(event), event]));
  const orders = [...created.values()].map(screenedOrder);
  if (orders.length === 0) return;
  const rules = await rulesInForce(tx, [...new Set(orders.map(({ tenant }) => tenant))]);
  const questions = velocityQuestions(orders, rules);
  const counts = await countForBatch(tx, questions);
  const assessed = assessOrders({ orders, rules, velocity: { questions, counts }, now }).flatMap((assessment) => {
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
  ]);
}

async function countForBatch(tx: Transaction<Tables>, questions: readonly VelocityQuestion[]): Promise<number[]> {
  if (questions.length === 0) return [];
  const customers = questions.map(({ order }) => order);
  await lockCustomers(tx, customers);
  return countOrdersBefore(tx, questions);
}

const orderKeyOf = ({ tenant, message }: ReceivedEvent<{ orderId: string }>): string =>
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
    const key = orderKeyOf(event);
    if (cancelled.has(key)) return false;
    const handledId = handledBy.get(key);
    if (handledId !== undefined && handledId !== event.id) {
      throw new RefusedEvent("DUPLICATE_ORDER", `order ${event.message.orderId} was created before, by event ${handledId}`);
    }
    handledBy.set(key, event.id);
    return handledId === undefined;
  });
}

function screenedOrder({ tenant, time, message }: ReceivedEvent<OrderCreated>): ScreenedOrder {
  const { orderId, buyer, total, createTime } = message;
  if (!total) throw new RefusedEvent("ORDER_WITHOUT_TOTAL", `order ${orderId} has no total`);
  return {
    tenant,
    orderId,
    customerId: buyer?.customerId ?? "",
    cardBin: buyer?.paymentMethodBin ?? "",
    deviceFingerprint: buyer?.deviceFingerprint ?? "",
    total: { currencyCode: total.currencyCode, minorUnits: Number(total.minorUnits) },
    placeTime: createTime ? timestampDate(createTime) : time,
  };
}

async function close(tx: Transaction<Tables>, events: ReceivedEvent<OrderCancelled>[], now: Date): Promise<void> {
  // The first cancellation of an order counts.
  const cancelled = new Map(events.toReversed().map((event) => [orderKeyOf(event), event]));
  const orders = [...cancelled].map(([key, { tenant, message }]) => ({
    key,
    tenant,
    orderId: message.orderId,
    reason: message.reason,
    cancelTime: message.cancelTime ? timestampDate(message.cancelTime) : now,
  }));
  const assessed = await lockAssessments(tx, orders);
  await rememberCancelled(
    tx,
    orders.filter(({ key }) => !assessed.has(key)),
  );
  const closed = orders.flatMap(({ key, reason }) => {
    const assessment = assessed.get(key);
    return (assessment && closeReview(assessment, { reason, now })) ?? [];
  });
  await saveDecisions(tx, closed);
}

// What customers are told of, as events tell it.
import type { DescMessage, Message, MessageShape } from "@bufbuild/protobuf";
import type { Transaction } from "kysely";
import {
  OrderCancelledSchema,
  OrderDeliveredSchema,
  OrderReadySchema,
  OrderShippedSchema,
} from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { PaymentActionRequiredSchema, PaymentRefundedSchema } from "#gen/ordermesh/payments/events/v1/payments_events_pb.ts";
import type { Money as MoneyMessage } from "#gen/ordermesh/type/v1/money_pb.ts";
import type { ReceivedEvent } from "#runtime/events/hearing.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import type { Fact, FactData, Money } from "../domain/facts.ts";
import { insertNotifications, rememberOrders, sendKind } from "../store/notifications.ts";
import type { NotificationsTables } from "../store/tables.ts";

export interface ToldFact {
  fact: Fact;
  orderId: string;
  data: FactData;
  /** Only where the order is new. */
  order?: { customerId: string; total: Money | undefined };
}

const moneyOf = (money: MoneyMessage | undefined): Money | undefined =>
  money && { currencyCode: money.currencyCode, minorUnits: String(money.minorUnits) };

/** What of an event customers are told; undefined for all others. */
export function factOf(desc: DescMessage, message: Message): ToldFact | undefined {
  return tellers.get(desc)?.(message);
}

type Teller = (message: Message) => ToldFact;
const teller = <Desc extends DescMessage>(desc: Desc, tell: (message: MessageShape<Desc>) => ToldFact): [DescMessage, Teller] => [
  desc,
  (message) => tell(message as MessageShape<Desc>),
];

const tellers = new Map<DescMessage, Teller>([
  teller(OrderCreatedSchema, ({ orderId, buyer, total }) => ({
    fact: "created",
    orderId,
    data: {},
    order: { customerId: buyer?.customerId ?? "", total: moneyOf(total) },
  })),
  teller(PaymentActionRequiredSchema, ({ orderId }) => ({ fact: "payment_action_required", orderId, data: {} })),
  teller(OrderReadySchema, ({ orderId }) => ({ fact: "ready", orderId, data: {} })),
  teller(OrderShippedSchema, ({ orderId, trackingNumber }) => ({ fact: "shipped", orderId, data: { trackingNumber } })),
  teller(OrderDeliveredSchema, ({ orderId }) => ({ fact: "delivered", orderId, data: {} })),
  teller(OrderCancelledSchema, ({ orderId, reason }) => ({ fact: "cancelled", orderId, data: { cancelReason: reason } })),
  teller(PaymentRefundedSchema, ({ orderId, amount }) => {
    const refund = moneyOf(amount);
    return { fact: "refunded", orderId, data: refund ? { refund } : {} };
  }),
]);

export async function planNotifications(
  tx: Transaction<NotificationsTables>,
  events: readonly ReceivedEvent<ToldFact>[],
  { now, hasMailer }: { now: Date; hasMailer: boolean },
): Promise<void> {
  const orders = events.flatMap(({ tenant, message: { orderId, order } }) => (order ? [{ tenant, orderId, ...order }] : []));
  await rememberOrders(tx, orders, now);
  const heard = events.map(({ id, tenant, time, message: { fact, orderId, data } }) => ({
    tenant,
    orderId,
    fact,
    // An order may be refunded several times, by one event each.
    subjectId: fact === "refunded" ? id : "",
    data,
    time,
  }));
  const planned = await insertNotifications(tx, heard, { now, hasMailer });
  const [first] = events;
  if (!first) return;
  // The events of one call are of one tenant.
  const causes = new Map(events.map((event) => [event.message.orderId, event.cause]));
  await planDue(
    tx,
    planned.map(({ notificationId, orderId }) => ({
      kind: sendKind,
      tenant: first.tenant,
      key: notificationId,
      due: { inMs: 0 },
      cause: causes.get(orderId) ?? first.cause,
    })),
  );
}

// What customers are told of, as events tell it.
import type { DescMessage, Message, MessageShape } from "@bufbuild/protobuf";
import type { Transaction } from "kysely";
import { OrderChangedSchema, OrderChangeRefusedSchema } from "#gen/ordermesh/orders/events/v1/order_changed_pb.ts";
import {
  OrderCancelledSchema,
  OrderDeliveredSchema,
  OrderReadySchema,
  OrderShippedSchema,
} from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import {
  ExchangePlacedSchema,
  ReturnApprovedSchema,
  ReturnReceivedSchema,
  ReturnRejectedSchema,
} from "#gen/ordermesh/orders/events/v1/return_events_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { PaymentActionRequiredSchema, PaymentRefundedSchema } from "#gen/ordermesh/payments/events/v1/payments_events_pb.ts";
import { ShipmentDispatchedSchema, type ShipmentDispatched } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import type { Money as MoneyMessage } from "#gen/ordermesh/type/v1/money_pb.ts";
import type { ReceivedEvent } from "#runtime/events/hearing.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import type { Fact, FactData, Money } from "../domain/facts.ts";
import { insertNotifications, rememberOrders, sendKind } from "../store/notifications.ts";
import type { NotificationsTables } from "../store/tables.ts";

export interface ToldFact {
  fact: Fact;
  orderId: string;
  /** What it is about, where it may happen several times to an order: a change, a parcel or a return. */
  subjectId?: string;
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

type Teller = (message: Message) => ToldFact | undefined;
const teller = <Desc extends DescMessage>(
  desc: Desc,
  tell: (message: MessageShape<Desc>) => ToldFact | undefined,
): [DescMessage, Teller] => [desc, (message) => tell(message as MessageShape<Desc>)];

const ofMoney = <Name extends string>(name: Name, money: MoneyMessage | undefined): Partial<Record<Name, Money>> => {
  const shown = moneyOf(money);
  return shown ? ({ [name]: shown } as Record<Name, Money>) : {};
};

const ofReturn = (fact: Fact, { orderId, returnId }: { orderId: string; returnId: string }, data: FactData = {}): ToldFact => ({
  fact,
  orderId,
  subjectId: returnId,
  data: { returnId, ...data },
});

/** Where all leaves in one, the order itself is told to be on its way. */
function parcelShipped({ orderId, shipmentId, lines, parcels }: ShipmentDispatched): ToldFact | undefined {
  if (parcels.length < 2) return undefined;
  const { trackingNumber = "" } = parcels.find((parcel) => parcel.shipmentId === shipmentId) ?? {};
  const inIt = lines.map(({ sku, quantity }) => ({ sku, quantity: String(quantity) }));
  return { fact: "parcel_shipped", orderId, subjectId: shipmentId, data: { trackingNumber, lines: inIt } };
}

const tellers = new Map<DescMessage, Teller>([
  teller(OrderCreatedSchema, ({ orderId, buyer, total }) => ({
    fact: "created",
    orderId,
    data: {},
    order: { customerId: buyer?.customerId ?? "", total: moneyOf(total) },
  })),
  teller(PaymentActionRequiredSchema, ({ orderId }) => ({ fact: "payment_action_required", orderId, data: {} })),
  teller(OrderReadySchema, ({ orderId }) => ({ fact: "ready", orderId, data: {} })),
  teller(OrderChangedSchema, ({ orderId, changeId, total }) => ({
    fact: "changed",
    orderId,
    subjectId: changeId,
    data: ofMoney("newTotal", total),
  })),
  // Who has not asked for it need not know of it.
  teller(OrderChangeRefusedSchema, ({ orderId, changeId, reason, isAskedByCustomer }) =>
    isAskedByCustomer ? { fact: "change_refused", orderId, subjectId: changeId, data: { refusalReason: reason } } : undefined,
  ),
  teller(ShipmentDispatchedSchema, parcelShipped),
  // Of one that has left in several parcels the customer has heard with each of them.
  teller(OrderShippedSchema, ({ orderId, trackingNumber, isSplit }) =>
    isSplit ? undefined : { fact: "shipped", orderId, data: { trackingNumber } },
  ),
  teller(OrderDeliveredSchema, ({ orderId }) => ({ fact: "delivered", orderId, data: {} })),
  teller(OrderCancelledSchema, ({ orderId, reason }) => ({ fact: "cancelled", orderId, data: { cancelReason: reason } })),
  teller(ReturnApprovedSchema, ({ orderId, returnId }) => ofReturn("return_approved", { orderId, returnId })),
  teller(ReturnRejectedSchema, ({ orderId, returnId }) => ofReturn("return_rejected", { orderId, returnId })),
  teller(ReturnReceivedSchema, ({ orderId, returnId, refund }) =>
    ofReturn("return_received", { orderId, returnId }, ofMoney("refund", refund)),
  ),
  teller(ExchangePlacedSchema, ({ orderId, returnId, exchangeOrderId }) =>
    ofReturn("exchange_placed", { orderId, returnId }, { exchangeOrderId }),
  ),
  teller(PaymentRefundedSchema, ({ orderId, amount }) => ({ fact: "refunded", orderId, data: ofMoney("refund", amount) })),
]);

export async function planNotifications(
  tx: Transaction<NotificationsTables>,
  events: readonly ReceivedEvent<ToldFact>[],
  { now, hasMailer }: { now: Date; hasMailer: boolean },
): Promise<void> {
  const orders = events.flatMap(({ tenant, message: { orderId, order } }) => (order ? [{ tenant, orderId, ...order }] : []));
  await rememberOrders(tx, orders, now);
  const heard = events.map(({ id, tenant, time, message: { fact, orderId, subjectId = "", data } }) => ({
    tenant,
    orderId,
    fact,
    // An order may be refunded several times, by one event each.
    subjectId: fact === "refunded" ? id : subjectId,
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

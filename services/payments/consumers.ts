// What the order's events mean for its money.
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Transaction } from "kysely";
import { OrderChangedSchema, type OrderChanged } from "#gen/ordermesh/orders/events/v1/order_changed_pb.ts";
import {
  OrderCancelledSchema,
  OrderErasedSchema,
  OrderPaymentDueSchema,
  OrderReturnedSchema,
  type OrderPaymentDue,
  type PricedLine,
} from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import {
  OrderParcelReturnedSchema,
  ReturnReceivedSchema,
  type OrderParcelReturned,
  type ReturnReceived,
} from "#gen/ordermesh/orders/events/v1/return_events_pb.ts";
import { ShipmentDispatchedSchema, type ShipmentDispatched } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import type { Clock } from "#runtime/clock.ts";
import { hear, RefusedEvent, type Hearing, type ReceivedEvent } from "#runtime/events/hearing.ts";
import type { Cause } from "#runtime/events/outgoing.ts";
import { newId } from "#runtime/ids.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import { giveBack } from "./domain/backs.ts";
import { dispatch } from "./domain/capture.ts";
import { reprice } from "./domain/cost.ts";
import { cancel, undo } from "./domain/movement.ts";
import { openPayment, type Back, type DueOrder, type PaymentLine } from "./domain/payment.ts";
import { dueItem, saveChanges, type Decided } from "./store/changes.ts";
import {
  insertPayments,
  insertTombstones,
  keyOf,
  lockPayments,
  readTombstones,
  type OrderKey,
  type PaymentsTables,
} from "./store/payments.ts";
import { findAskedReturns, returnKeyOf } from "./store/return-refunds.ts";
import { erasePayments } from "./store/personal-data.ts";

const returnReason = "parcel returned to sender";

type Transacted = Transaction<PaymentsTables>;

/** @param inParts Whether the provider of a tenant takes a hold in several parts. */
export function paymentHearings({ clock }: { clock: Clock }, inParts: (tenant: string) => boolean): Hearing[] {
  return [
    hear({
      name: "payments.open",
      event: OrderPaymentDueSchema,
      handle: (tx: Transacted, events) => openPayments(tx, events, clock.now()),
    }),
    hear({
      name: "payments.cancel",
      event: OrderCancelledSchema,
      handle: (tx: Transacted, events) => cancelPayments(tx, events, clock.now()),
    }),
    hear({
      name: "payments.order_capture",
      event: ShipmentDispatchedSchema,
      handle: (tx: Transacted, events) => orderCaptures(tx, events, { inParts, now: clock.now() }),
    }),
    hear({
      name: "payments.change_cost",
      event: OrderChangedSchema,
      handle: (tx: Transacted, events) => changeCosts(tx, events, clock.now()),
    }),
    hear({
      name: "payments.give_back",
      event: OrderReturnedSchema,
      handle: (tx: Transacted, events) => giveAllBack(tx, events, clock.now()),
    }),
    hear({
      name: "payments.refund_return",
      event: ReturnReceivedSchema,
      handle: (tx: Transacted, events) => refundReturns(tx, events, clock.now()),
    }),
    hear({
      name: "payments.refund_parcel",
      event: OrderParcelReturnedSchema,
      handle: (tx: Transacted, events) => refundParcels(tx, events, clock.now()),
    }),
    hear({
      name: "payments.erase",
      event: OrderErasedSchema,
      handle: (tx: Transacted, events) => erasePayments(tx, { orders: events.map(orderKey), now: clock.now() }),
    }),
  ];
}

const orderKey = ({ tenant, key }: { tenant: string; key: string }): OrderKey => ({ tenant, orderId: key });

/** One event an order: a second one that says the same changes nothing. */
const firstOfEach = <Message>(events: readonly ReceivedEvent<Message>[]): ReceivedEvent<Message>[] => [
  ...new Map(events.toReversed().map((event) => [keyOf(orderKey(event)), event])).values(),
];

async function openPayments(tx: Transacted, events: readonly ReceivedEvent<OrderPaymentDue>[], now: Date): Promise<void> {
  const due = firstOfEach(events);
  const cancelled = await readTombstones(tx, due.map(orderKey));
  const payments = due.map((event) => openPayment(dueOrder(event), { isCancelled: cancelled.has(keyOf(orderKey(event))), now }));
  const { inserted, dueEventIds } = await insertPayments(tx, payments);
  const stranger = events.find((event) => dueEventIds.get(keyOf(orderKey(event))) !== event.id);
  if (stranger) throw new RefusedEvent("DUPLICATE_PAYMENT", `order ${stranger.key} has a payment already`);
  const causes = new Map(due.map((event) => [keyOf(orderKey(event)), event.cause]));
  const items = payments.flatMap((payment) => {
    const cause = causes.get(keyOf(payment));
    const isToAsk = cause && payment.state === "PENDING" && inserted.has(keyOf(payment));
    return isToAsk ? [dueItem(payment, "authorize", cause)] : [];
  });
  await planDue(tx, items);
}

function dueOrder(event: ReceivedEvent<OrderPaymentDue>): DueOrder {
  const { amount, deadline, paymentToken, customerId, lines } = event.message;
  if (!amount || amount.minorUnits <= 0n || !/^[A-Z]{3}$/.test(amount.currencyCode) || !deadline) {
    throw new RefusedEvent("PAYMENT_DUE_INVALID", `order ${event.key}: the amount must be above zero and a deadline given`);
  }
  return {
    ...orderKey(event),
    paymentId: newId("pay"),
    customerId,
    currencyCode: amount.currencyCode,
    amount: Number(amount.minorUnits),
    lines: lines.map(paymentLine),
    paymentToken,
    deadline: timestampDate(deadline),
    dueEventId: event.id,
  };
}

const paymentLine = ({ sku, quantity, unitPrice }: Pick<PricedLine, "sku" | "quantity" | "unitPrice">): PaymentLine => ({
  sku,
  quantity: Number(quantity),
  unitPrice: Number(unitPrice?.minorUnits ?? 0n),
});

async function cancelPayments(tx: Transacted, events: readonly ReceivedEvent<unknown>[], now: Date): Promise<void> {
  const cancellations = firstOfEach(events);
  const payments = await lockPayments(tx, cancellations.map(orderKey));
  const unknown = cancellations.map(orderKey).filter((key) => !payments.has(keyOf(key)));
  await insertTombstones(tx, { keys: unknown, now });
  const decided = cancellations.flatMap(({ cause, ...event }): Decided[] => {
    const payment = payments.get(keyOf(orderKey(event)));
    return payment ? [{ change: cancel(payment), cause }] : [];
  });
  await saveChanges(tx, decided, now);
}

/** Each parcel's part is taken for itself, so one after the other is decided about. */
async function orderCaptures(
  tx: Transacted,
  events: readonly ReceivedEvent<ShipmentDispatched>[],
  { inParts, now }: { inParts: (tenant: string) => boolean; now: Date },
): Promise<void> {
  const payments = await lockPayments(tx, events.map(orderKey));
  const decided = events.flatMap((event): Decided[] => {
    const { cause, tenant, message } = event;
    const key = keyOf(orderKey(event));
    const payment = payments.get(key);
    if (!payment) throw new RefusedEvent("PAYMENT_NOT_FOUND", `order ${event.key} was dispatched and has no payment`);
    const units = message.lines.map(({ sku, quantity }) => ({ sku, quantity: Number(quantity) }));
    const outcome = dispatch(payment, { shipmentId: message.shipmentId, units }, { inParts: inParts(tenant) });
    switch (outcome.kind) {
      case "capture":
        payments.set(key, outcome.change.payment);
        return [{ change: outcome.change, cause }];
      case "done_before":
        return [];
      case "not_yet":
        // The provider's answer may come any moment, so this one is worth a repeat.
        throw new Error(`order ${event.key} was dispatched while its payment is being authorised`);
      case "not_authorized":
        throw new RefusedEvent("PAYMENT_NOT_AUTHORIZED", `order ${event.key} was dispatched and its payment is ${payment.state}`);
    }
  });
  await saveChanges(tx, decided, now);
}

/** An order that had not asked for its money when it was changed has no payment yet, and asks for what it costs then. */
async function changeCosts(tx: Transacted, events: readonly ReceivedEvent<OrderChanged>[], now: Date): Promise<void> {
  const payments = await lockPayments(tx, events.map(orderKey));
  const decided = events.flatMap(({ cause, message, ...event }): Decided[] => {
    const payment = payments.get(keyOf(orderKey(event)));
    if (!payment) return [];
    const changed = { cost: Number(message.total?.minorUnits ?? 0n), lines: message.lines.map(paymentLine) };
    const outcome = reprice(payment, changed);
    switch (outcome.kind) {
      case "over":
        return [];
      case "exceeds":
        throw new RefusedEvent("COST_ABOVE_AMOUNT", `order ${event.key} costs more than the ${outcome.amount} that can be taken`);
      case "changed":
        payments.set(keyOf(payment), outcome.change.payment);
        return [{ change: outcome.change, cause }];
    }
  });
  await saveChanges(tx, decided, now);
}

/** The goods are back at the shop, so what was taken for them goes back, less what has gone back already. */
async function giveAllBack(tx: Transacted, events: readonly ReceivedEvent<unknown>[], now: Date): Promise<void> {
  const returns = firstOfEach(events);
  // What has cost nothing has no payment.
  const payments = await lockPayments(tx, returns.map(orderKey));
  const decided = returns.flatMap(({ cause, ...event }): Decided[] => {
    const payment = payments.get(keyOf(orderKey(event)));
    const change = payment && undo(payment, returnReason);
    return change ? [{ change, cause }] : [];
  });
  await saveChanges(tx, decided, now);
}

interface BackOfOrder extends OrderKey {
  back: Back;
  cause: Cause;
}

const refundReturns = (tx: Transacted, events: readonly ReceivedEvent<ReturnReceived>[], now: Date): Promise<void> =>
  refundBacks(
    tx,
    events.map(({ cause, message: { returnId, refund }, ...event }) => {
      const back = { returnId, wanted: Number(refund?.minorUnits ?? 0n), reason: `return ${returnId}` };
      return { ...orderKey(event), back, cause };
    }),
    now,
  );

const refundParcels = (tx: Transacted, events: readonly ReceivedEvent<OrderParcelReturned>[], now: Date): Promise<void> =>
  refundBacks(
    tx,
    events.map(({ cause, message: { shipmentId: returnId, refund }, ...event }) => {
      const back = { returnId, wanted: Number(refund?.minorUnits ?? 0n), reason: `${returnReason}: ${returnId}` };
      return { ...orderKey(event), back, cause };
    }),
    now,
  );

/** Each once, whatever else is given back. Money that is still on its way to us goes back once it is here. */
async function refundBacks(tx: Transacted, backs: readonly BackOfOrder[], now: Date): Promise<void> {
  const payments = await lockPayments(tx, backs);
  const asked = await findAskedReturns(
    tx,
    backs.map(({ tenant, back: { returnId } }) => ({ tenant, returnId })),
  );
  const decided = backs.flatMap(({ cause, back, ...key }): Decided[] => {
    const payment = payments.get(keyOf(key));
    const returnKey = returnKeyOf({ tenant: key.tenant, returnId: back.returnId });
    if (!payment || back.wanted <= 0 || asked.has(returnKey)) return [];
    asked.add(returnKey);
    const change = giveBack(payment, back);
    payments.set(keyOf(payment), change.payment);
    return [{ change, cause }];
  });
  await saveChanges(tx, decided, now);
}

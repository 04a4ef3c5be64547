// What orders tells of an order's history: its way, and whom it waits for.
import type { Kysely } from "kysely";
import { amountText, type TellHistory, type ToldFact, type ToldWait } from "#runtime/history/told-history.ts";
import type { OrderState } from "../domain/order.ts";
import { waitOf, type Awaited, type WaitLimits } from "../domain/waiting.ts";
import { readChanges, type ChangeRow } from "../store/order-changes.ts";
import { readOrder, type OrderRow } from "../store/read.ts";
import { readReturns, type ReturnRow } from "../store/returns.ts";
import type { OrdersTables } from "../store/tables.ts";

/** By which event each state is told; a scheduled order tells nothing, and is made by the call. */
const toldBy: Record<OrderState, string> = {
  scheduled: "PlaceOrder",
  pending: "OrderCreated",
  pending_shipment: "OrderReady",
  partially_shipped: "ShipmentDispatched",
  shipped: "OrderShipped",
  delivered: "OrderDelivered",
  returned: "OrderReturned",
  cancelled: "OrderCancelled",
};

/** Of the step that a change leaves in the timeline. */
const changedReason = "CHANGED";

const awaited: Record<Awaited, { text: string; service?: string }> = {
  schedule: { text: "its time to begin" },
  inventory: { text: "inventory to hold its stock", service: "inventory" },
  fraud: { text: "screening", service: "fraud" },
  review: { text: "somebody to decide about its screening", service: "fraud" },
  payments: { text: "its payment", service: "payments" },
  buyer: { text: "its buyer to act at its bank", service: "payments" },
  shipping: { text: "its parcel", service: "shipping" },
};

export function orderHistory(db: Kysely<OrdersTables>, limits: WaitLimits): TellHistory {
  return async (key) => {
    const [order, changes, returns] = await Promise.all([
      readOrder(db, key),
      readChanges(db, key.tenant, [key.orderId]),
      readReturns(db, key.tenant, [key.orderId]),
    ]);
    if (!order) return { facts: [], waits: [] };
    const wait = waitFor(order, limits);
    return {
      facts: [
        ...wayOf(order, changes[0]?.before.total ?? order.total),
        ...changes.flatMap((change) => changeFacts(change, order.currency_code)),
        ...returns.flatMap(returnFacts),
        ...returns.flatMap(exchangeFacts),
      ],
      waits: wait ? [wait] : [],
      resources: returns.map(({ returnId }) => returnId),
      standing: { state: order.state.toUpperCase(), isFinal: wait === undefined },
    };
  };
}

/** With the total with which it was placed. Reasons are codes; what somebody wrote beside one is not told. */
function wayOf({ timeline, currency_code }: OrderRow, total: number): ToldFact[] {
  return timeline.map(({ state, reason, time }, index) => {
    const name = state.toUpperCase();
    // A step of its own, which leads to no other state.
    if (reason === changedReason)
      return { kind: "STATE", name, time, text: `the order is changed, and still ${name}`, toldBy: "OrderChanged" };
    const placed = index === 0 ? `, for ${amountText(total, currency_code)}` : "";
    const why = reason === "" ? "" : `, because of ${reason}`;
    return { kind: "STATE", name, time, text: `the order is ${name}${placed}${why}`, toldBy: toldBy[state] };
  });
}

/** That it was asked for, and what became of it; whose words stand beside it is not told. */
function changeFacts(
  { changeId: id, state, reason, before, after, createTime, endTime }: ChangeRow,
  currency: string,
): ToldFact[] {
  const costs = `${amountText(before.total, currency)} before, ${amountText(after.total, currency)} with it`;
  const asked: ToldFact = {
    kind: "DECISION",
    name: "CHANGE_ASKED",
    id,
    time: createTime,
    text: `a change of the order is asked for: ${costs}`,
    toldBy: "ConfirmOrderChange",
  };
  if (state !== "refused" || !endTime) return [asked];
  const text = `the change is refused, because of ${reason}`;
  return [asked, { kind: "DECISION", name: "CHANGE_REFUSED", id, time: endTime, text, toldBy: "OrderChangeRefused" }];
}

const toldByOf = { approved: "ReturnApproved", rejected: "ReturnRejected", received: "ReturnReceived" } as const;

/** That it was asked for, and how it stands now. */
function returnFacts({ returnId: id, state, refund, currencyCode, createTime, updateTime }: ReturnRow): ToldFact[] {
  const asked: ToldFact = {
    kind: "DECISION",
    name: "RETURN_ASKED",
    id,
    time: createTime,
    text: "somebody asked to send goods back",
    toldBy: "RequestReturn",
  };
  if (state === "requested") return [asked];
  const owed = refund === null ? "" : `, ${amountText(refund, currencyCode)} are owed for it`;
  const text = `the return is ${state.toUpperCase()}${owed}`;
  return [
    asked,
    { kind: "DECISION", name: `RETURN_${state.toUpperCase()}`, id, time: updateTime, text, toldBy: toldByOf[state] },
  ];
}

/** What became of the wish for something else instead. */
function exchangeFacts({ returnId: id, exchange, updateTime: time }: ReturnRow): ToldFact[] {
  switch (exchange?.state) {
    case "placed": {
      const text = `something else is ordered instead of what came back: ${exchange.orderId}`;
      return [{ kind: "DECISION", name: "EXCHANGE_PLACED", id, time, text, toldBy: "ExchangePlaced" }];
    }
    case "refused":
      return [
        {
          kind: "DECISION",
          name: "EXCHANGE_REFUSED",
          id,
          time,
          text: `nothing is ordered instead, because of ${exchange.reason}`,
        },
      ];
    case "waiting":
    case undefined:
      return [];
  }
}

function waitFor(order: OrderRow, limits: WaitLimits): ToldWait | undefined {
  const { state, services, timeline, expire_time, process_after, create_time } = order;
  const standing = {
    state,
    inventory: services.inventory_status,
    fraud: services.fraud_status,
    payment: services.payment_status,
    stateTime: timeline.at(-1)?.time ?? create_time,
    expireTime: expire_time,
    processAfter: process_after,
  };
  const wait = waitOf(standing, limits);
  return wait && { ...awaited[wait.waitsFor], until: wait.waitsUntil };
}

// What orders tells of an order's history: its way, and whom it waits for.
import type { Kysely } from "kysely";
import { amountText, type TellHistory, type ToldFact, type ToldWait } from "#runtime/history/told-history.ts";
import type { OrderState } from "../domain/order.ts";
import { waitOf, type Awaited, type WaitLimits } from "../domain/waiting.ts";
import { readOrder, type OrderRow } from "../store/read.ts";
import type { OrdersTables } from "../store/tables.ts";

/** By which event each state is told; a scheduled order tells nothing, and is made by the call. */
const toldBy: Record<OrderState, string> = {
  scheduled: "PlaceOrder",
  pending: "OrderCreated",
  pending_shipment: "OrderReady",
  shipped: "OrderShipped",
  delivered: "OrderDelivered",
  returned: "OrderReturned",
  cancelled: "OrderCancelled",
};

/** Nobody is told of a change while nobody has been told of the order. */
const changedBy = (state: OrderState): string => (state === "scheduled" ? "ConfirmOrderChange" : "OrderChanged");

const awaited: Record<Awaited, { text: string; service?: string }> = {
  schedule: { text: "its time to begin" },
  inventory: { text: "inventory to hold its stock", service: "inventory" },
  fraud: { text: "screening", service: "fraud" },
  review: { text: "somebody to decide about its screening", service: "fraud" },
  payments: { text: "its payment", service: "payments" },
  buyer: { text: "its buyer to confirm the payment", service: "payments" },
  shipping: { text: "its parcel", service: "shipping" },
};

export function orderHistory(db: Kysely<OrdersTables>, limits: WaitLimits): TellHistory {
  return async (key) => {
    const order = await readOrder(db, key);
    if (!order) return { facts: [], waits: [] };
    const wait = waitFor(order, limits);
    return {
      facts: wayOf(order),
      waits: wait ? [wait] : [],
      standing: { state: order.state.toUpperCase(), isFinal: wait === undefined },
    };
  };
}

/** Reasons are codes; what somebody wrote beside one is not told. */
function wayOf({ timeline, total, currency_code, last_change_id }: OrderRow): ToldFact[] {
  return timeline.map(({ state, reason, time }, index) => {
    const name = state.toUpperCase();
    if (reason === "CHANGED")
      return { kind: "STATE", name, time, text: `the order was changed, and is ${name}`, toldBy: changedBy(state) };
    // What it cost before it was changed is told with the change.
    const placed = index === 0 && last_change_id === "" ? `, for ${amountText(total, currency_code)}` : "";
    const why = reason === "" ? "" : `, because of ${reason}`;
    return { kind: "STATE", name, time, text: `the order is ${name}${placed}${why}`, toldBy: toldBy[state] };
  });
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

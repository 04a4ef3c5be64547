// What the other services' books must say of an order, by its state. Pure: several moments are compared here, so what
// comes out is a suspicion until it is seen again.
import type { Finding } from "./audit.ts";

export type OrderState =
  | "SCHEDULED"
  | "PENDING"
  | "PENDING_SHIPMENT"
  | "PARTIALLY_SHIPPED"
  | "SHIPPED"
  | "DELIVERED"
  | "RETURNED"
  | "CANCELLED";
export type ReservationState = "HELD" | "FIRM" | "SHIPPED" | "RELEASED" | "REFUSED";
export type PaymentState = "PENDING" | "ACTION_REQUIRED" | "AUTHORIZED" | "DECLINED" | "CAPTURED" | "VOIDED" | "REFUNDED";
export type ShipmentState = "CREATED" | "DISPATCHED" | "DELIVERY_FAILED" | "DELIVERED" | "RETURNED" | "STOPPED";

export interface OrderBooks {
  orderId: string;
  state: OrderState;
  total: number;
  currencyCode: string;
  units: number;
  /** What payment was asked for, where the order costs something else now. */
  askedTotal: number | undefined;
  /** More may be held for it than its lines say. */
  isChanging: boolean;
  /** Until when that has to be over; undefined where none is under way. */
  changeUntil: Date | undefined;
  /** What its received returns give back, and what of it can be sold again. */
  returnRefund: number;
  restockedUnits: number;
  createTime: Date;
  stateTime: Date;
  /** When its OrderCreated was written; undefined where none was. */
  releaseTime: Date | undefined;
  /** Empty where it is final. */
  waitsFor: string;
  waitsUntil: Date | undefined;
}

export interface ReservationBooks {
  orderId: string;
  state: ReservationState;
  units: number;
  /** Units that came back by returns. */
  returnedUnits: number;
}

export interface PaymentBooks {
  orderId: string;
  state: PaymentState;
  currencyCode: string;
  amount: number;
  captured: number;
  refunded: number;
  undoing: boolean;
  /** What was asked to be given back for returns. */
  returnRefund: number;
}

export interface ShipmentBooks {
  orderId: string;
  /** The change that holds it back; empty where none does. */
  heldByChangeId: string;
  /** One, or several once the order is split. */
  parcels: readonly { state: ShipmentState; units: number }[];
}

export const isFinal = (state: OrderState): boolean => state === "DELIVERED" || state === "RETURNED" || state === "CANCELLED";

/** Events about the state may still be under way for so long after it was entered. */
export const isYoung = ({ stateTime }: OrderBooks, { now, graceMs }: { now: Date; graceMs: number }): boolean =>
  now.getTime() - stateTime.getTime() < graceMs;

/**
 * Where the stock of an order may be; undefined stands for no reservation. A pending order's may be anywhere, and where the
 * parcel has left, stock and money know it before the order does.
 */
const stockAllowed: Record<OrderState, readonly (ReservationState | undefined)[] | "any"> = {
  SCHEDULED: [undefined],
  PENDING: "any",
  PENDING_SHIPMENT: ["HELD", "FIRM", "SHIPPED"],
  PARTIALLY_SHIPPED: ["FIRM", "SHIPPED"],
  SHIPPED: ["SHIPPED"],
  DELIVERED: ["SHIPPED"],
  // What came back is put on the shelf by a person.
  RETURNED: ["SHIPPED"],
  CANCELLED: ["RELEASED", "REFUSED", undefined],
};

export function auditOrderStock(order: OrderBooks, reservation: ReservationBooks | undefined): Finding | undefined {
  const allowed = stockAllowed[order.state];
  if (allowed === "any") return undefined;
  const isPlaced = allowed.includes(reservation?.state);
  // What was given back has no units left to compare.
  const isWhole = order.state === "CANCELLED" || order.isChanging || !reservation || reservation?.units === order.units;
  if (isPlaced && isWhole) return undefined;
  return {
    check: "orders.stock",
    key: order.orderId,
    message: isPlaced
      ? "other units are held than were ordered"
      : `an order that is ${order.state} has a reservation that is ${reservation?.state ?? "NONE"}`,
    figures: {
      order_state: order.state,
      reservation_state: reservation?.state ?? "NONE",
      units_ordered: String(order.units),
      units_held: String(reservation?.units ?? 0),
    },
  };
}

type MoneyRule = (order: OrderBooks, payment: PaymentBooks) => string | undefined;

const takenInFull: MoneyRule = ({ total }, { captured }) => {
  if (captured === total) return undefined;
  return captured < total ? "goods have left without their money" : "more was taken than the order costs";
};

/** How much of it is due is known to payments alone, which proves it. */
const takenInPart: MoneyRule = ({ total }, { state, captured }) => {
  if (captured > total) return "more was taken than the order costs";
  return state === "AUTHORIZED" || state === "CAPTURED" || state === "REFUNDED"
    ? undefined
    : "some of the order has left and its money is not held";
};

function moneyNotBack({ state, captured, refunded, undoing }: PaymentBooks, what: string): string | undefined {
  if (undoing) return undefined;
  if (state === "AUTHORIZED") return `a ${what} order still holds money`;
  if (state === "ACTION_REQUIRED") return `a ${what} order still waits for its buyer to pay`;
  return captured > refunded ? `a ${what} order was charged and not refunded` : undefined;
}

const moneyRules: Record<OrderState, MoneyRule> = {
  SCHEDULED: () => "an order that has not begun has a payment",
  PENDING: () => undefined,
  PENDING_SHIPMENT: (order, payment) => {
    if (payment.state === "AUTHORIZED")
      return payment.amount === order.total || payment.amount === order.askedTotal
        ? undefined
        : "other money is held than the order costs";
    return payment.state === "CAPTURED" ? takenInFull(order, payment) : "the order is ready and its money is not held";
  },
  PARTIALLY_SHIPPED: takenInPart,
  SHIPPED: takenInFull,
  DELIVERED: takenInFull,
  RETURNED: (_, payment) => moneyNotBack(payment, "returned"),
  CANCELLED: (_, payment) => moneyNotBack(payment, "cancelled"),
};

/** What costs nothing needs no payment. */
function needsMoney({ state, total }: OrderBooks): boolean {
  switch (state) {
    case "SCHEDULED":
    case "PENDING":
    case "CANCELLED":
      return false;
    case "PENDING_SHIPMENT":
    case "PARTIALLY_SHIPPED":
    case "SHIPPED":
    case "DELIVERED":
    case "RETURNED":
      return total > 0;
  }
}

export function auditOrderMoney(order: OrderBooks, payment: PaymentBooks | undefined): Finding | undefined {
  const message = payment ? moneyProblem(order, payment) : needsMoney(order) ? "there is no payment" : undefined;
  if (message === undefined) return undefined;
  return {
    check: "orders.money",
    key: order.orderId,
    message,
    figures: {
      order_state: order.state,
      payment_state: payment?.state ?? "NONE",
      currency: order.currencyCode,
      total: String(order.total),
      amount: String(payment?.amount ?? 0),
      captured: String(payment?.captured ?? 0),
      refunded: String(payment?.refunded ?? 0),
    },
  };
}

function moneyProblem(order: OrderBooks, payment: PaymentBooks): string | undefined {
  if (order.state !== "PENDING" && payment.currencyCode !== order.currencyCode) return "the payment is in another currency";
  return moneyRules[order.state](order, payment);
}

/** Where each parcel of an order may be; undefined stands for none. */
const parcelAllowed: Record<OrderState, readonly (ShipmentState | undefined)[] | "any"> = {
  SCHEDULED: [undefined],
  PENDING: "any",
  // Its parcel may not be made yet, or have left just now.
  PENDING_SHIPMENT: ["CREATED", "DISPATCHED", "DELIVERY_FAILED", "DELIVERED", "RETURNED", undefined],
  PARTIALLY_SHIPPED: ["CREATED", "DISPATCHED", "DELIVERY_FAILED", "DELIVERED", "RETURNED"],
  SHIPPED: ["DISPATCHED", "DELIVERY_FAILED", "DELIVERED", "RETURNED"],
  // Some may have come back.
  DELIVERED: ["DELIVERED", "RETURNED"],
  RETURNED: ["RETURNED"],
  CANCELLED: ["STOPPED", undefined],
};

export function auditOrderParcel(order: OrderBooks, shipment: ShipmentBooks | undefined): Finding | undefined {
  const parcels = shipment?.parcels ?? [];
  const message = parcelProblem(order, parcels);
  if (message === undefined) return undefined;
  const parcelState = parcels.map(({ state }) => state).join(", ") || "NONE";
  return {
    check: "orders.parcel",
    key: order.orderId,
    message,
    figures: { order_state: order.state, parcel_state: parcelState },
  };
}

/** Of orders in these states at least one parcel is in one of those. */
const parcelNeeded: Partial<Record<OrderState, readonly ShipmentState[]>> = {
  PARTIALLY_SHIPPED: ["DISPATCHED", "DELIVERY_FAILED", "DELIVERED", "RETURNED"],
  DELIVERED: ["DELIVERED"],
};

function parcelProblem({ state, units, isChanging }: OrderBooks, parcels: ShipmentBooks["parcels"]): string | undefined {
  const allowed = parcelAllowed[state];
  if (allowed === "any") return undefined;
  const states = parcels.length === 0 ? [undefined] : parcels.map((parcel) => parcel.state);
  const wrong = states.find((one) => !allowed.includes(one));
  if (states.some((one) => !allowed.includes(one))) return `an order that is ${state} has a parcel that is ${wrong ?? "NONE"}`;
  const needed = parcelNeeded[state];
  if (needed && !states.some((one) => one && needed.includes(one))) {
    return `an order that is ${state} has no parcel that is ${needed.join(" or ")}`;
  }
  if (parcels.length < 2 || isChanging || state === "CANCELLED") return undefined;
  const inParcels = parcels.reduce((sum, parcel) => sum + parcel.units, 0);
  return inParcels === units ? undefined : `${units} units were ordered, and ${inParcels} are in its parcels`;
}

/** An order whose time is over, unless an open dead letter of its key says why. */
export function auditStuck(
  order: OrderBooks,
  { now, graceMs, hasOpenLetter }: { now: Date; graceMs: number; hasOpenLetter: boolean },
): Finding | undefined {
  if (isFinal(order.state) || hasOpenLetter) return undefined;
  const { waitsFor, waitsUntil } = order;
  if (waitsFor !== "" && waitsUntil && now.getTime() - waitsUntil.getTime() <= graceMs) return undefined;
  return {
    check: "orders.stuck",
    key: order.orderId,
    message: waitsFor === "" ? "it is not final and waits for nobody" : `it waits for ${waitsFor}, whose time is over`,
    figures: { order_state: order.state, waits_for: waitsFor, waits_until: waitsUntil?.toISOString() ?? "" },
  };
}

export function eventLost(order: OrderBooks): Finding {
  return {
    check: "events.lost",
    key: order.orderId,
    message: "it has begun, and its OrderCreated is neither in the stream nor waits to be sent",
    figures: { order_state: order.state, create_time: order.createTime.toISOString() },
  };
}

/** What is held for an order, by whoever holds it. */
export interface Held {
  orderId: string;
  check: "stock.stranded" | "money.stranded";
  state: string;
  figure: string;
  updateTime: Date;
}

/** Something held whose order will never need it; the sweeper brings it to its end. */
export function auditHeld(
  held: Held,
  order: Pick<OrderBooks, "state" | "stateTime"> | undefined,
  { now, graceMs }: { now: Date; graceMs: number },
): Finding | undefined {
  const since = Math.max(held.updateTime.getTime(), order?.stateTime.getTime() ?? 0);
  if (now.getTime() - since < graceMs || (order && order.state !== "CANCELLED")) return undefined;
  const what = held.check === "stock.stranded" ? "stock" : "money";
  return {
    check: held.check,
    key: held.orderId,
    message: order ? `${what} is held for an order that is cancelled` : `${what} is held for an order that does not exist`,
    figures: { order_state: order?.state ?? "NONE", held_state: held.state, held: held.figure },
  };
}

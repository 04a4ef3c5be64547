// Facts that other services report, and what an order makes of them.
import {
  stateChanges,
  type CancelReason,
  type FraudStatus,
  type InventoryStatus,
  type OrderParcel,
  type OrderProgress,
  type OrderState,
  type PaymentStatus,
  type Reporter,
  type ShipmentStatus,
} from "./order.ts";
import { backOf, newlyReturned } from "./parcels.ts";

/** A fact names its reporter's new status. The sequence counts the reporter's facts about this order, from 1. */
export type Fact = { sequence: number; time: Date; detail: string } & (
  | { reporter: "inventory"; status: InventoryStatus }
  | { reporter: "fraud"; status: FraudStatus }
  | { reporter: "payments"; status: PaymentStatus }
  | { reporter: "shipping"; status: ShipmentStatus; trackingNumber?: string; parcels?: readonly OrderParcel[] }
);

/** What has to be told to the others, in this order. */
export type Announcement = "created" | "payment_due" | "ready" | "shipped" | "delivered" | "returned" | "cancelled";

/** A parcel that came back while the order goes on with others, and those that had come back before it. */
export interface ParcelBack {
  returnedParcel: string;
  before: readonly string[];
}

export interface Change {
  progress: OrderProgress;
  announcements: Announcement[];
}

export type FactOutcome =
  | { kind: "unchanged" }
  | ({ kind: "changed"; parcelsBack: ParcelBack[]; /** Shipping has to be asked to. */ stopsParcel: boolean } & Change)
  /** The fact cannot be true together with what the order already is: a person must look. */
  | { kind: "conflict"; code: string; message: string };

export type CancelOutcome =
  | ({ kind: "cancelled" } & Change)
  | { kind: "already_cancelled" }
  /** The parcel may be leaving at this moment: only shipping can say. */
  | { kind: "stop_shipment_first" }
  | { kind: "too_late"; state: OrderState };

/** Takes one fact in. A repeat, or one older than what its reporter has said since, changes nothing. */
export function takeFact(progress: OrderProgress, fact: Fact): FactOutcome {
  const isLate = fact.sequence <= progress.heard[fact.reporter];
  const next = isLate ? addLateData(progress, fact) : record(progress, fact);
  if (isLate) {
    if (next === progress) return { kind: "unchanged" };
    return { kind: "changed", progress: next, announcements: [], parcelsBack: [], stopsParcel: false };
  }
  const conflict = findConflict(next);
  if (conflict) return conflict;
  const stopsParcel = !whyToStop(progress) && whyToStop(next) !== undefined;
  return { kind: "changed", ...advance(next, fact), parcelsBack: parcelsBack(progress, next), stopsParcel };
}

function parcelsBack(before: OrderProgress, after: OrderProgress): ParcelBack[] {
  if (before.parcels === after.parcels) return [];
  const known = backOf(before.parcels).map(({ shipmentId }) => shipmentId);
  return newlyReturned(before.parcels, after.parcels).map((returnedParcel, index, all) => {
    return { returnedParcel, before: [...known, ...all.slice(0, index)] };
  });
}

/** Begins an order whose time has come; undefined where it has begun or ended before. */
export function release(progress: OrderProgress, time: Date): Change | undefined {
  return progress.state === "scheduled" ? entered(progress, "pending", time) : undefined;
}

/** Ends an order on somebody's wish, or because its time is over. */
export function cancel(
  progress: OrderProgress,
  how: { time: Date; reason: CancelReason; detail: string; shipmentStopped: boolean },
): CancelOutcome {
  switch (progress.state) {
    case "cancelled":
      return { kind: "already_cancelled" };
    case "partially_shipped":
    case "shipped":
    case "delivered":
    case "returned":
      return { kind: "too_late", state: progress.state };
    case "pending_shipment":
      if (!how.shipmentStopped) return { kind: "stop_shipment_first" };
      return { kind: "cancelled", ...cancelled(progress, how) };
    case "scheduled":
    case "pending":
      return { kind: "cancelled", ...cancelled(progress, how) };
  }
}

/** What a fact that came too late still tells: a tracking number comes with few of them, and whatever is newer and has one replaces it. */
function addLateData(progress: OrderProgress, fact: Fact): OrderProgress {
  if (fact.reporter !== "shipping" || !fact.trackingNumber || progress.trackingNumber !== "") return progress;
  return { ...progress, trackingNumber: fact.trackingNumber };
}

function record(progress: OrderProgress, fact: Fact): OrderProgress {
  const heard: Record<Reporter, number> = { ...progress.heard, [fact.reporter]: fact.sequence };
  switch (fact.reporter) {
    case "inventory":
      return { ...progress, heard, inventory: fact.status };
    case "fraud":
      return { ...progress, heard, fraud: fact.status };
    case "payments":
      return noteAction({ ...progress, heard, payment: fact.status }, fact);
    case "shipping":
      return {
        ...progress,
        heard,
        shipment: fact.status,
        trackingNumber: fact.trackingNumber ?? progress.trackingNumber,
        parcels: fact.parcels ?? progress.parcels,
      };
  }
}

/** Whoever watches the order hears that the buyer has to act, though the order stays as it is. */
function noteAction(progress: OrderProgress, { time }: Fact): OrderProgress {
  const { state, payment, timeline } = progress;
  if (state !== "pending" || payment !== "action_required") return progress;
  const entry = { sequence: timeline.length + 1, state, time, reason: "PAYMENT_ACTION_REQUIRED" };
  return { ...progress, timeline: [...timeline, entry] };
}

export interface Refusal {
  reason: CancelReason;
  /** As a part of a sentence. */
  words: string;
}

/** What decides whether an order goes on. */
export type OrderStatuses = Pick<OrderProgress, "state" | "inventory" | "fraud" | "payment" | "shipment">;

/** Why the order cannot go on, by what was reported; undefined where nothing is against it. */
function refusalOf({ inventory, fraud, payment, shipment }: OrderStatuses): Refusal | undefined {
  if (inventory === "insufficient") return { reason: "OUT_OF_STOCK", words: "its stock was short" };
  if (inventory === "released") return { reason: "STOCK_LOST", words: "its stock was given back" };
  if (fraud === "rejected") return { reason: "FRAUD_REJECTED", words: "screening rejected it" };
  if (payment === "declined") return { reason: "PAYMENT_DECLINED", words: "its payment was declined" };
  if (payment === "voided" || payment === "refunded") return { reason: "PAYMENT_LOST", words: "its money was given back" };
  if (shipment === "stopped") return { reason: "SHIPMENT_STOPPED", words: "its shipment was stopped" };
  return undefined;
}

const statusesAfterDispatch: readonly ShipmentStatus[] = [
  "partially_dispatched",
  "dispatched",
  "delivery_failed",
  "delivered",
  "returned",
];
const hasLeft = (shipment: ShipmentStatus): boolean => statusesAfterDispatch.includes(shipment);

/**
 * Why the parcel of an order that is ready must not leave; undefined where it may, or has. It may be leaving at this moment, so the order
 * is not cancelled before shipping has stopped it.
 */
export function whyToStop(statuses: OrderStatuses): Refusal | undefined {
  const { state, shipment } = statuses;
  if (state !== "pending_shipment" || shipment === "stopped" || hasLeft(shipment)) return undefined;
  return refusalOf(statuses);
}

function findConflict(progress: OrderProgress): Extract<FactOutcome, { kind: "conflict" }> | undefined {
  const { state, shipment, fraud, payment } = progress;
  if (state === "cancelled" && hasLeft(shipment)) {
    return { kind: "conflict", code: "DISPATCHED_AFTER_CANCEL", message: "the parcel left although the order is cancelled" };
  }
  const isShipped = state === "partially_shipped" || state === "shipped" || state === "delivered" || state === "returned";
  const isGone = isShipped || (state === "pending_shipment" && hasLeft(shipment));
  // Money that goes back after delivery is a refund as any shop makes it. Of a parcel that came back it may go back in any way. Stock
  // that was given back has left all the same: inventory takes it out of its books, or says that it cannot.
  const isAgainst = fraud === "rejected" || payment === "declined" || (payment === "voided" && state !== "returned");
  if (isGone && (isAgainst || shipment === "stopped")) {
    const words = refusalOf({ ...progress, inventory: "reserved" })?.words ?? "a refusal came";
    return { kind: "conflict", code: "REFUSED_AFTER_DISPATCH", message: `the parcel has left, and ${words}` };
  }
  return undefined;
}

/** Moves the order as far as its facts allow. */
function advance(start: OrderProgress, fact: Fact): Change {
  let progress = start;
  const announcements: Announcement[] = [];
  for (;;) {
    const step = nextStep(progress, fact);
    if (!step) return { progress, announcements };
    progress = step.progress;
    announcements.push(...step.announcements);
  }
}

function nextStep(progress: OrderProgress, fact: Fact): Change | undefined {
  const { state, shipment } = progress;
  switch (state) {
    case "pending": {
      const refusal = refusalOf(progress);
      return refusal ? cancelledBy(refusal, progress, fact) : nextPendingStep(progress, fact.time);
    }
    case "pending_shipment": {
      const refusal = shipment === "stopped" ? refusalOf(progress) : undefined;
      return refusal ? cancelledBy(refusal, progress, fact) : nextShippedStep(progress, fact.time);
    }
    case "partially_shipped":
      return nextShippedStep(progress, fact.time);
    case "shipped":
      return shipment === "delivered" || shipment === "returned" ? entered(progress, shipment, fact.time) : undefined;
    // Nobody has been told of it, so that nobody has anything to report.
    case "scheduled":
    case "delivered":
    case "returned":
    case "cancelled":
      return undefined;
  }
}

/** Shipped is what has left with all of its parcels. */
function nextShippedStep(progress: OrderProgress, time: Date): Change | undefined {
  const { state, shipment } = progress;
  if (!hasLeft(shipment)) return undefined;
  if (shipment !== "partially_dispatched") return entered(progress, "shipped", time);
  return state === "partially_shipped" ? undefined : entered(progress, "partially_shipped", time);
}

function nextPendingStep(progress: OrderProgress, time: Date): Change | undefined {
  if (progress.inventory !== "reserved" || progress.fraud !== "cleared") return undefined;
  if (progress.payment === "authorized" || progress.payment === "captured") return entered(progress, "pending_shipment", time);
  if (progress.paymentAsked) return undefined;
  return { progress: { ...progress, paymentAsked: true }, announcements: ["payment_due"] };
}

/** Why orders itself has parcels stopped. */
const reasonsToStop: readonly CancelReason[] = [
  "CANCELLED_BY_REQUEST",
  "OUT_OF_STOCK",
  "STOCK_LOST",
  "FRAUD_REJECTED",
  "PAYMENT_DECLINED",
  "PAYMENT_LOST",
];

/** A shipment that was stopped for a cancellation is one: the event may arrive before the canceller's own answer. */
function cancelledBy(refusal: Refusal, progress: OrderProgress, { time, detail }: Fact): Change {
  const asked = reasonsToStop.find((reason) => detail.startsWith(reason));
  const reason = refusal.reason === "SHIPMENT_STOPPED" && asked ? asked : refusal.reason;
  return cancelled(progress, { time, reason, detail });
}

/** That some of it has left is told by shipping alone. */
const announcementOf: Record<Exclude<OrderState, "scheduled">, Announcement | undefined> = {
  pending: "created",
  pending_shipment: "ready",
  partially_shipped: undefined,
  shipped: "shipped",
  delivered: "delivered",
  returned: "returned",
  cancelled: "cancelled",
};

function entered(progress: OrderProgress, state: Exclude<OrderState, "scheduled">, time: Date, reason = ""): Change {
  if (!stateChanges[progress.state].includes(state)) throw new Error(`an order cannot go from ${progress.state} to ${state}`);
  const entry = { sequence: progress.timeline.length + 1, state, time, reason };
  return {
    progress: { ...progress, state, timeline: [...progress.timeline, entry] },
    announcements: [announcementOf[state]].flatMap((announcement) => announcement ?? []),
  };
}

function cancelled(progress: OrderProgress, how: { time: Date; reason: CancelReason; detail: string }): Change {
  const change = entered(progress, "cancelled", how.time, how.reason);
  return { ...change, progress: { ...change.progress, cancelReason: how.reason, cancelDetail: how.detail } };
}

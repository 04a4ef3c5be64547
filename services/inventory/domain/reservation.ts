// What a fact about an order means for its reservation, whatever the stock is.
import type { Line } from "./stock.ts";

export type ReservationState = "HELD" | "FIRM" | "SHIPPED" | "RELEASED" | "REFUSED";

/** Cancelled is for good; an expired hold may be taken again where the order turns out to be ready. */
export type ReleaseReason = "ORDER_CANCELLED" | "HOLD_EXPIRED";

/** What orders says of an order: it may still become ready, it has, it is cancelled, or nobody has placed it. */
export type OrderStanding = "open" | "ready" | "cancelled" | "unknown";

/** Units of a SKU that are held; of those that have left in a parcel while others have not, how many. */
export interface HeldLine extends Line {
  shipped?: number;
}

export interface Reservation {
  tenant: string;
  orderId: string;
  state: ReservationState;
  releaseReason: ReleaseReason | undefined;
  /** One line a SKU. None where the cancellation came before the order itself. */
  lines: readonly HeldLine[];
  /** Parcels that have left with a part of it. */
  parcels: readonly string[];
  expireTime: Date | undefined;
  /** Events sent under the order's key. */
  sequence: number;
}

/** What has left in one of several parcels. */
export interface Part {
  shipmentId: string;
  /** One line a SKU. */
  lines: readonly Line[];
}

export type OrderChange =
  | { kind: "created"; lines: readonly Line[]; expireTime: Date }
  | { kind: "ready" }
  | { kind: "cancelled" }
  /** With all of it, or with some units of each SKU. */
  | { kind: "dispatched"; part?: Part }
  /** Its hold has lasted its time, and orders was asked. One that may still become ready keeps it. */
  | { kind: "hold_expired"; order: Exclude<OrderStanding, "open"> }
  /** Somebody who knows that the order will never be shipped gives its hold back. */
  | { kind: "withdrawn" }
  /** The order may come to have these lines: what they have more of is to be held as well. */
  | { kind: "changing"; lines: readonly Line[] }
  /** The order has these lines now, or still. */
  | { kind: "changed"; changeId: string; lines: readonly Line[] };

/** Due work that asks what became of an order that said nothing while its hold lasted. */
export const holdExpiryKind = "inventory.hold.expire";

export type Decision =
  | { kind: "nothing" }
  | { kind: "reserve"; state: "HELD" | "FIRM"; lines: readonly Line[]; expireTime: Date | undefined }
  | { kind: "make_firm" }
  /** Other units than now, in the same state. */
  | { kind: "hold"; lines: readonly Line[] }
  /** Nothing is held, but other units would be. */
  | { kind: "note_lines"; lines: readonly Line[] }
  | { kind: "release"; reason: ReleaseReason }
  /** Nothing is held, but whatever comes later must not be held either. */
  | { kind: "note_cancellation" }
  /** What has left now, and what is still to leave afterwards; nothing where that was all. It may have left without being held. */
  | {
      kind: "ship";
      isHeld: boolean;
      leaving: readonly Line[];
      rest?: { lines: readonly HeldLine[]; parcels: readonly string[] };
    }
  | { kind: "refuse"; code: string; message: string };

const nothing: Decision = { kind: "nothing" };

export function decide(reservation: Reservation | undefined, change: OrderChange): Decision {
  switch (change.kind) {
    case "created":
      return decideCreated(reservation, change);
    case "ready":
      return decideReady(reservation);
    case "cancelled":
      return decideCancelled(reservation);
    case "dispatched":
      return decideDispatched(reservation, change.part);
    case "hold_expired":
      return decideExpired(reservation, change.order);
    case "withdrawn":
      return decideWithdrawn(reservation);
    case "changing":
      return decideChanging(reservation, change.lines);
    case "changed":
      return decideChanged(reservation, change.lines);
  }
}

/** Left by a cancellation that came before its order. */
export const isTombstone = ({ state, lines }: Reservation): boolean => state === "RELEASED" && lines.length === 0;

function decideCreated(reservation: Reservation | undefined, change: Extract<OrderChange, { kind: "created" }>): Decision {
  if (reservation) {
    if (isTombstone(reservation)) return nothing;
    return { kind: "refuse", code: "DUPLICATE_ORDER", message: "this order was created before, by another event" };
  }
  if (change.lines.length === 0 || change.lines.some(({ quantity }) => quantity <= 0)) {
    return { kind: "refuse", code: "ORDER_WITHOUT_UNITS", message: "an order needs lines, each of one unit or more" };
  }
  return { kind: "reserve", state: "HELD", lines: change.lines, expireTime: change.expireTime };
}

function decideReady(reservation: Reservation | undefined): Decision {
  switch (reservation?.state) {
    case "HELD":
      return { kind: "make_firm" };
    case "FIRM":
    case "SHIPPED":
      return nothing;
    case "RELEASED": {
      // Of an order that leaves without its hold each parcel takes what is in it.
      if (reservation.releaseReason === "ORDER_CANCELLED" || reservation.parcels.length > 0) return nothing;
      const { lines, expireTime } = reservation;
      return { kind: "reserve", state: "FIRM", lines, expireTime };
    }
    case "REFUSED":
    case undefined:
      return { kind: "refuse", code: "RESERVATION_NOT_HELD", message: "the order is ready, but nothing was ever held for it" };
  }
}

function decideCancelled(reservation: Reservation | undefined): Decision {
  switch (reservation?.state) {
    case undefined:
      return { kind: "note_cancellation" };
    case "HELD":
    case "FIRM":
      return { kind: "release", reason: "ORDER_CANCELLED" };
    case "RELEASED":
      return reservation.releaseReason === "ORDER_CANCELLED" ? nothing : { kind: "note_cancellation" };
    case "SHIPPED":
    case "REFUSED":
      return nothing;
  }
}

/**
 * The order's own word counts: that it is ready may still be on its way, for as long as events are late. What only orders can be asked
 * for is not known here, so a hold ends by its time alone where nobody has placed its order.
 */
function decideExpired(reservation: Reservation | undefined, order: Exclude<OrderStanding, "open">): Decision {
  if (reservation?.state !== "HELD") return nothing;
  switch (order) {
    case "ready":
      return { kind: "make_firm" };
    case "cancelled":
      return { kind: "release", reason: "ORDER_CANCELLED" };
    case "unknown":
      return { kind: "release", reason: "HOLD_EXPIRED" };
  }
}

/** As a cancellation that nobody heard, but said by somebody who must know where he is wrong. */
function decideWithdrawn(reservation: Reservation | undefined): Decision {
  switch (reservation?.state) {
    case undefined:
      return { kind: "refuse", code: "RESERVATION_NOT_FOUND", message: "nothing was ever held for it" };
    case "SHIPPED":
      return { kind: "refuse", code: "RESERVATION_SHIPPED", message: "what was held has left the warehouse" };
    case "HELD":
    case "FIRM":
    case "RELEASED":
    case "REFUSED":
      return decideCancelled(reservation);
  }
}

/** What it is to have less of is given back only once it is sure that it has less: until then it can stay as it was. */
function decideChanging(reservation: Reservation | undefined, lines: readonly Line[]): Decision {
  if ((reservation?.state !== "HELD" && reservation?.state !== "FIRM") || reservation.parcels.length > 0) {
    return { kind: "refuse", code: "RESERVATION_NOT_HELD", message: "nothing is held for it that could be changed" };
  }
  return { kind: "hold", lines: mostOf(reservation.lines, lines) };
}

function decideChanged(reservation: Reservation | undefined, lines: readonly Line[]): Decision {
  switch (reservation?.state) {
    case "HELD":
    case "FIRM":
      if (reservation.parcels.length === 0) return { kind: "hold", lines };
      return decideLeft(reservation, lines);
    case "RELEASED":
      if (reservation.releaseReason === "ORDER_CANCELLED") return nothing;
      return reservation.parcels.length === 0 ? { kind: "note_lines", lines } : decideLeft(reservation, lines);
    case "REFUSED":
      return nothing;
    case "SHIPPED":
      return decideLeft(reservation, lines);
    case undefined:
      return { kind: "refuse", code: "RESERVATION_NOT_HELD", message: "it has changed, but nothing was ever held for it" };
  }
}

/** What has left cannot change any more. */
function decideLeft(reservation: Reservation, lines: readonly Line[]): Decision {
  if (isSame(reservation.lines, lines)) return nothing;
  return { kind: "refuse", code: "CHANGED_AFTER_DISPATCH", message: "the parcel has left with other units" };
}

/** Of each SKU the greater number of units. */
export function mostOf(one: readonly Line[], other: readonly Line[]): Line[] {
  const units = new Map(one.map(({ sku, quantity }) => [sku, quantity]));
  for (const { sku, quantity } of other) units.set(sku, Math.max(quantity, units.get(sku) ?? 0));
  return [...units].map(([sku, quantity]) => ({ sku, quantity }));
}

/** Whether both have the same units of each SKU; each stands in one line. */
function isSame(one: readonly Line[], other: readonly Line[]): boolean {
  const units = new Map(one.map(({ sku, quantity }) => [sku, quantity]));
  return one.length === other.length && other.every(({ sku, quantity }) => units.get(sku) === quantity);
}

/** What is held of each SKU and has not left yet. */
export const stillHere = (lines: readonly HeldLine[]): Line[] =>
  lines.map(({ sku, quantity, shipped = 0 }) => ({ sku, quantity: quantity - shipped })).filter(({ quantity }) => quantity > 0);

const neverHeld: Decision = {
  kind: "refuse",
  code: "RESERVATION_NOT_HELD",
  message: "the parcel left, but nothing was ever held for its order",
};

/** What has left is not here any more, also where its hold was given back before: then it is taken out of what is free. */
function decideDispatched(reservation: Reservation | undefined, part: Part | undefined): Decision {
  switch (reservation?.state) {
    case "HELD":
    case "FIRM":
    case "RELEASED":
      if (isTombstone(reservation)) return neverHeld;
      if (part) return decidePart(reservation, part);
      return { kind: "ship", isHeld: reservation.state !== "RELEASED", leaving: stillHere(reservation.lines) };
    case "SHIPPED":
      return nothing;
    case "REFUSED":
    case undefined:
      return neverHeld;
  }
}

/** The last parcel ends the reservation; each counts once. */
function decidePart({ state, lines, parcels }: Reservation, { shipmentId, lines: leaving }: Part): Decision {
  if (parcels.includes(shipmentId)) return nothing;
  const units = new Map(leaving.map(({ sku, quantity }) => [sku, quantity]));
  const left = lines.map((line): HeldLine => {
    const gone = units.get(line.sku) ?? 0;
    units.delete(line.sku);
    return gone === 0 ? line : { ...line, shipped: (line.shipped ?? 0) + gone };
  });
  if (units.size > 0 || left.some(({ quantity, shipped = 0 }) => shipped > quantity)) {
    return {
      kind: "refuse",
      code: "RESERVATION_NOT_HELD",
      message: `parcel ${shipmentId} has left with more than is held for it`,
    };
  }
  const isHeld = state !== "RELEASED";
  if (stillHere(left).length === 0) return { kind: "ship", isHeld, leaving };
  return { kind: "ship", isHeld, leaving, rest: { lines: left, parcels: [...parcels, shipmentId] } };
}

/** The SKUs whose stock a fact may change, given the reservation as it is before the whole batch. */
export function skusTouched(reservation: Reservation | undefined, change: OrderChange): string[] {
  if (change.kind === "created") return change.lines.map(({ sku }) => sku);
  if (change.kind === "changing" || change.kind === "changed") {
    return mostOf(reservation?.lines ?? [], change.lines).map(({ sku }) => sku);
  }
  const decision = decide(reservation, change);
  const touches = decision.kind === "reserve" || decision.kind === "release" || decision.kind === "ship";
  return touches && reservation ? reservation.lines.map(({ sku }) => sku) : [];
}

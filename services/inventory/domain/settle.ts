// Settles a batch of facts, in the order given, against reservations and stock.
import assert from "node:assert/strict";
import { decide, stillHere, type Decision, type OrderChange, type ReleaseReason, type Reservation } from "./reservation.ts";
import { addedTo, availableUnits, changeUnits, shortagesOf, type Line, type Shortage, type Stock } from "./stock.ts";

/** What led to a fact; carried to whatever follows from it. */
export interface Origin {
  id: string;
  traceparent: string;
}

export interface OrderFact {
  tenant: string;
  orderId: string;
  change: OrderChange;
  cause: Origin;
}

/** Reservations and stock, by keyOf. */
export interface Books {
  reservations: ReadonlyMap<string, Reservation>;
  stock: ReadonlyMap<string, Stock>;
}

/** No tenant has a dot in it. */
export const keyOf = (tenant: string, name: string): string => `${tenant}.${name}`;

/** Units that left the warehouse. */
export interface Departure {
  tenant: string;
  sku: string;
  quantity: number;
  orderId: string;
  /** Empty where all of the order has left in one. */
  shipmentId: string;
}

export type Announcement = { tenant: string; sequence: number; cause: Origin } & (
  | { kind: "reserved"; orderId: string; expireTime: Date | undefined }
  | { kind: "insufficient"; orderId: string; shortages: Shortage[] }
  | { kind: "released"; orderId: string; reason: ReleaseReason }
  | { kind: "low"; sku: string; onHand: number; threshold: number }
);

export type Settlement =
  | { kind: "settled"; books: Books; announcements: Announcement[]; departures: Departure[] }
  /** One fact cannot be true; nothing of the batch is settled. */
  | { kind: "refused"; code: string; message: string };

export function settle(before: Books, facts: readonly OrderFact[]): Settlement {
  const books: Draft = {
    reservations: new Map(before.reservations),
    stock: new Map(before.stock),
    announcements: [],
    departures: [],
  };
  for (const fact of facts) {
    const decision = withStock(books, fact, decide(find(books, fact), fact.change));
    if (decision.kind === "refuse")
      return { kind: "refused", code: decision.code, message: `${fact.orderId}: ${decision.message}` };
    apply(books, fact, decision);
  }
  const { announcements, departures, ...after } = books;
  return { kind: "settled", books: after, announcements, departures };
}

/**
 * What left without being held comes out of what nobody else holds. Where that is not enough, somebody has been promised what is not
 * here: a person must look, and once it is counted or given back the letter can be sent again.
 */
function withStock(books: Draft, { tenant }: OrderFact, decision: Decision): Decision {
  if (decision.kind !== "ship" || decision.isHeld) return decision;
  const short = shortagesOf(decision.leaving, availableIn(books, tenant));
  if (short.length === 0) return decision;
  const figures = short.map(({ sku, requested, available }) => `${requested} of ${sku}, of which ${available} are free`);
  return {
    kind: "refuse",
    code: "SHIPPED_WITHOUT_STOCK",
    message: `its hold was given back, and its parcel has left with ${figures.join("; ")}`,
  };
}

const availableIn =
  (books: Draft, tenant: string) =>
  (sku: string): number | undefined => {
    const stock = books.stock.get(keyOf(tenant, sku));
    return stock && availableUnits(stock);
  };

interface Draft {
  reservations: Map<string, Reservation>;
  stock: Map<string, Stock>;
  announcements: Announcement[];
  departures: Departure[];
}

function apply(books: Draft, fact: OrderFact, decision: Exclude<Decision, { kind: "refuse" }>): void {
  switch (decision.kind) {
    case "nothing":
      return;
    case "reserve":
      reserve(books, fact, decision);
      return;
    case "make_firm":
      save(books, { ...known(books, fact), state: "FIRM" });
      return;
    case "hold":
      holdOther(books, fact, decision.lines);
      return;
    case "note_lines":
      save(books, { ...known(books, fact), lines: decision.lines });
      return;
    case "release":
      release(books, fact, decision.reason);
      return;
    case "note_cancellation":
      save(books, { ...(find(books, fact) ?? blank(fact)), state: "RELEASED", releaseReason: "ORDER_CANCELLED" });
      return;
    case "ship":
      ship(books, fact, decision);
      return;
  }
}

function reserve(books: Draft, fact: OrderFact, decision: Extract<Decision, { kind: "reserve" }>): void {
  const { tenant, orderId, cause } = fact;
  const { lines, expireTime, state } = decision;
  const old = find(books, fact);
  const sequence = (old?.sequence ?? 0) + 1;
  const shortages = shortagesOf(lines, availableIn(books, tenant));
  if (shortages.length > 0) {
    // A hold that was lost stays released; one that never was is refused.
    save(books, old ? { ...old, sequence } : { ...blank(fact), state: "REFUSED", lines, expireTime, sequence });
    books.announcements.push({ kind: "insufficient", tenant, orderId, shortages, sequence, cause });
    return;
  }
  changeStock(books, fact, { lines, onHandPerUnit: 0, reservedPerUnit: 1 });
  save(books, { ...blank(fact), state, lines, expireTime, sequence });
  books.announcements.push({ kind: "reserved", tenant, orderId, expireTime, sequence, cause });
}

/** The caller has made sure that there is enough of what is added. */
function holdOther(books: Draft, fact: OrderFact, lines: readonly Line[]): void {
  const old = known(books, fact);
  changeStock(books, fact, { lines: addedTo(old.lines, lines), onHandPerUnit: 0, reservedPerUnit: 1 });
  changeStock(books, fact, { lines: addedTo(lines, old.lines), onHandPerUnit: 0, reservedPerUnit: -1 });
  save(books, { ...old, lines });
}

function release(books: Draft, fact: OrderFact, reason: ReleaseReason): void {
  const { tenant, orderId, cause } = fact;
  const old = known(books, fact);
  const sequence = old.sequence + 1;
  changeStock(books, fact, { lines: stillHere(old.lines), onHandPerUnit: 0, reservedPerUnit: -1 });
  save(books, { ...old, state: "RELEASED", releaseReason: reason, sequence });
  books.announcements.push({ kind: "released", tenant, orderId, reason, sequence, cause });
}

function ship(books: Draft, fact: OrderFact, { isHeld, leaving, rest }: Extract<Decision, { kind: "ship" }>): void {
  const { tenant, orderId, change } = fact;
  const old = known(books, fact);
  const shipmentId = change.kind === "dispatched" ? (change.part?.shipmentId ?? "") : "";
  changeStock(books, fact, { lines: leaving, onHandPerUnit: -1, reservedPerUnit: isHeld ? -1 : 0 });
  for (const { sku, quantity } of leaving) books.departures.push({ tenant, sku, quantity, orderId, shipmentId });
  // What was given back stays given back until all of it has left.
  if (rest) save(books, { ...old, ...rest, state: isHeld ? "FIRM" : "RELEASED" });
  else save(books, { ...old, state: "SHIPPED", releaseReason: undefined });
}

function changeStock(
  books: Draft,
  { tenant, cause }: OrderFact,
  { lines, onHandPerUnit, reservedPerUnit }: { lines: readonly Line[]; onHandPerUnit: number; reservedPerUnit: number },
): void {
  for (const { sku, quantity } of lines) {
    const old = books.stock.get(keyOf(tenant, sku));
    assert(old, `the stock of ${sku} was not loaded`);
    const { stock, isLow } = changeUnits(old, { onHand: onHandPerUnit * quantity, reserved: reservedPerUnit * quantity });
    books.stock.set(keyOf(tenant, sku), stock);
    if (!isLow) continue;
    const { onHand, lowStockThreshold: threshold, sequence } = stock;
    books.announcements.push({ kind: "low", tenant, sku, onHand, threshold, sequence, cause });
  }
}

const find = (books: Draft, { tenant, orderId }: OrderFact): Reservation | undefined =>
  books.reservations.get(keyOf(tenant, orderId));

function known(books: Draft, fact: OrderFact): Reservation {
  const reservation = find(books, fact);
  assert(reservation, `the reservation of ${fact.orderId} is not known`);
  return reservation;
}

function save(books: Draft, reservation: Reservation): void {
  books.reservations.set(keyOf(reservation.tenant, reservation.orderId), reservation);
}

function blank({ tenant, orderId }: OrderFact): Reservation {
  return { tenant, orderId, state: "HELD", releaseReason: undefined, lines: [], parcels: [], expireTime: undefined, sequence: 0 };
}

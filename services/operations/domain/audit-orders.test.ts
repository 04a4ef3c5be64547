import { expect, test } from "vitest";
import {
  auditHeld,
  auditOrderMoney,
  auditOrderParcel,
  auditOrderStock,
  auditStuck,
  isYoung,
  type OrderBooks,
  type OrderState,
  type PaymentBooks,
  type ReservationState,
  type ShipmentBooks,
  type ShipmentState,
} from "./audit-orders.ts";

const now = new Date("2026-01-02T03:04:05Z");
const before = (ms: number): Date => new Date(now.getTime() - ms);

const order = (state: OrderState, change: Partial<OrderBooks> = {}): OrderBooks => ({
  orderId: "ord_1",
  state,
  total: 1_000,
  currencyCode: "EUR",
  units: 3,
  askedTotal: undefined,
  isChanging: false,
  changeUntil: undefined,
  returnRefund: 0,
  restockedUnits: 0,
  createTime: before(60_000),
  stateTime: before(60_000),
  releaseTime: before(60_000),
  waitsFor: "",
  waitsUntil: undefined,
  ...change,
});

const orderStates = [
  "SCHEDULED",
  "PENDING",
  "PENDING_SHIPMENT",
  "PARTIALLY_SHIPPED",
  "SHIPPED",
  "DELIVERED",
  "RETURNED",
  "CANCELLED",
] as const;
const reservationStates = ["HELD", "FIRM", "SHIPPED", "RELEASED", "REFUSED", undefined] as const;
const shipmentStates = ["CREATED", "DISPATCHED", "DELIVERY_FAILED", "DELIVERED", "RETURNED", "STOPPED", undefined] as const;

const stockFits: Record<OrderState, readonly (ReservationState | undefined)[]> = {
  SCHEDULED: [undefined],
  PENDING: reservationStates,
  PENDING_SHIPMENT: ["HELD", "FIRM", "SHIPPED"],
  PARTIALLY_SHIPPED: ["FIRM", "SHIPPED"],
  SHIPPED: ["SHIPPED"],
  DELIVERED: ["SHIPPED"],
  RETURNED: ["SHIPPED"],
  CANCELLED: ["RELEASED", "REFUSED", undefined],
};

test.each(orderStates.flatMap((state) => reservationStates.map((reservation) => ({ state, reservation }))))(
  "an order that is $state with stock that is $reservation",
  ({ state, reservation }) => {
    const finding = auditOrderStock(
      order(state),
      reservation && { orderId: "ord_1", state: reservation, units: 3, returnedUnits: 0 },
    );
    expect(finding === undefined).toBe(stockFits[state].includes(reservation));
  },
);

test("other units than were ordered are a disagreement, except where they were given back", () => {
  const held = { orderId: "ord_1", units: 2, returnedUnits: 0 };
  expect(auditOrderStock(order("DELIVERED"), { ...held, state: "SHIPPED" })?.figures).toEqual({
    order_state: "DELIVERED",
    reservation_state: "SHIPPED",
    units_ordered: "3",
    units_held: "2",
  });
  expect(auditOrderStock(order("CANCELLED"), { ...held, state: "RELEASED" })).toBeUndefined();
});

const parcels = (...of: ShipmentBooks["parcels"]): ShipmentBooks => ({ orderId: "ord_1", parcels: of, heldByChangeId: "" });

const parcelFits: Record<OrderState, readonly (ShipmentState | undefined)[]> = {
  SCHEDULED: [undefined],
  PENDING: shipmentStates,
  PENDING_SHIPMENT: ["CREATED", "DISPATCHED", "DELIVERY_FAILED", "DELIVERED", "RETURNED", undefined],
  PARTIALLY_SHIPPED: ["DISPATCHED", "DELIVERY_FAILED", "DELIVERED", "RETURNED"],
  SHIPPED: ["DISPATCHED", "DELIVERY_FAILED", "DELIVERED", "RETURNED"],
  DELIVERED: ["DELIVERED"],
  RETURNED: ["RETURNED"],
  CANCELLED: ["STOPPED", undefined],
};

test.each(orderStates.flatMap((state) => shipmentStates.map((parcel) => ({ state, parcel }))))(
  "an order that is $state with a parcel that is $parcel",
  ({ state, parcel }) => {
    const finding = auditOrderParcel(order(state), parcel && parcels({ state: parcel, units: 3 }));
    expect(finding === undefined).toBe(parcelFits[state].includes(parcel));
  },
);

test.each<{ state: OrderState; are: [ShipmentState, number][]; fits: boolean }>([
  {
    state: "PENDING_SHIPMENT",
    are: [
      ["CREATED", 1],
      ["CREATED", 2],
    ],
    fits: true,
  },
  {
    state: "PENDING_SHIPMENT",
    are: [
      ["CREATED", 1],
      ["STOPPED", 2],
    ],
    fits: false,
  },
  {
    state: "PARTIALLY_SHIPPED",
    are: [
      ["CREATED", 1],
      ["DELIVERED", 2],
    ],
    fits: true,
  },
  {
    state: "PARTIALLY_SHIPPED",
    are: [
      ["CREATED", 1],
      ["CREATED", 2],
    ],
    fits: false,
  },
  {
    state: "SHIPPED",
    are: [
      ["RETURNED", 1],
      ["DISPATCHED", 2],
    ],
    fits: true,
  },
  {
    state: "SHIPPED",
    are: [
      ["DISPATCHED", 1],
      ["CREATED", 2],
    ],
    fits: false,
  },
  {
    state: "DELIVERED",
    are: [
      ["RETURNED", 1],
      ["DELIVERED", 2],
    ],
    fits: true,
  },
  {
    state: "DELIVERED",
    are: [
      ["RETURNED", 1],
      ["RETURNED", 2],
    ],
    fits: false,
  },
  {
    state: "DELIVERED",
    are: [
      ["DELIVERED", 1],
      ["DELIVERED", 1],
    ],
    fits: false,
  },
  {
    state: "RETURNED",
    are: [
      ["RETURNED", 1],
      ["DELIVERED", 2],
    ],
    fits: false,
  },
  {
    state: "CANCELLED",
    are: [
      ["STOPPED", 1],
      ["STOPPED", 2],
    ],
    fits: true,
  },
  {
    state: "CANCELLED",
    are: [
      ["STOPPED", 1],
      ["CREATED", 2],
    ],
    fits: false,
  },
])("an order of 3 units that is $state with parcels that are $are: $fits", ({ state, are, fits }) => {
  const finding = auditOrderParcel(order(state), parcels(...are.map(([parcel, units]) => ({ state: parcel, units }))));
  expect(finding === undefined).toBe(fits);
});

const payment = (state: PaymentBooks["state"], change: Partial<PaymentBooks> = {}): PaymentBooks => ({
  orderId: "ord_1",
  state,
  currencyCode: "EUR",
  amount: 1_000,
  captured: 0,
  refunded: 0,
  undoing: false,
  returnRefund: 0,
  ...change,
});
const taken = payment("CAPTURED", { captured: 1_000 });

test.each<{ state: OrderState; why: string; books: PaymentBooks | undefined; fits: boolean }>([
  { state: "PENDING", why: "no payment", books: undefined, fits: true },
  { state: "PENDING", why: "money held", books: payment("AUTHORIZED"), fits: true },
  { state: "PENDING_SHIPMENT", why: "no payment", books: undefined, fits: false },
  { state: "PENDING_SHIPMENT", why: "money held", books: payment("AUTHORIZED"), fits: true },
  { state: "PENDING_SHIPMENT", why: "other money held", books: payment("AUTHORIZED", { amount: 999 }), fits: false },
  { state: "PENDING_SHIPMENT", why: "money taken", books: taken, fits: true },
  { state: "PENDING_SHIPMENT", why: "money voided", books: payment("VOIDED"), fits: false },
  { state: "PARTIALLY_SHIPPED", why: "money only held", books: payment("AUTHORIZED"), fits: true },
  { state: "PARTIALLY_SHIPPED", why: "a part taken", books: payment("CAPTURED", { captured: 400 }), fits: true },
  { state: "PARTIALLY_SHIPPED", why: "too much taken", books: payment("CAPTURED", { captured: 1_001 }), fits: false },
  { state: "PARTIALLY_SHIPPED", why: "money voided", books: payment("VOIDED"), fits: false },
  { state: "SHIPPED", why: "money taken", books: taken, fits: true },
  { state: "SHIPPED", why: "money only held", books: payment("AUTHORIZED"), fits: false },
  { state: "DELIVERED", why: "money taken", books: taken, fits: true },
  {
    state: "DELIVERED",
    why: "money taken and given back later",
    books: { ...taken, state: "REFUNDED", refunded: 1_000 },
    fits: true,
  },
  { state: "DELIVERED", why: "money taken twice", books: { ...taken, captured: 2_000 }, fits: false },
  { state: "DELIVERED", why: "money taken in part", books: { ...taken, captured: 999 }, fits: false },
  { state: "DELIVERED", why: "money taken in another currency", books: { ...taken, currencyCode: "USD" }, fits: false },
  { state: "DELIVERED", why: "no payment", books: undefined, fits: false },
  { state: "RETURNED", why: "no payment", books: undefined, fits: false },
  { state: "RETURNED", why: "money held", books: payment("AUTHORIZED"), fits: false },
  { state: "RETURNED", why: "money taken", books: taken, fits: false },
  { state: "RETURNED", why: "money taken and on its way back", books: { ...taken, undoing: true }, fits: true },
  { state: "RETURNED", why: "money taken and given back", books: { ...taken, state: "REFUNDED", refunded: 1_000 }, fits: true },
  { state: "CANCELLED", why: "no payment", books: undefined, fits: true },
  { state: "CANCELLED", why: "money voided", books: payment("VOIDED"), fits: true },
  { state: "CANCELLED", why: "money held", books: payment("AUTHORIZED"), fits: false },
  { state: "PENDING", why: "its buyer to act", books: payment("ACTION_REQUIRED"), fits: true },
  { state: "PENDING_SHIPMENT", why: "its buyer to act", books: payment("ACTION_REQUIRED"), fits: false },
  { state: "CANCELLED", why: "its buyer to act", books: payment("ACTION_REQUIRED"), fits: false },
  { state: "CANCELLED", why: "its buyer asked no more", books: payment("ACTION_REQUIRED", { undoing: true }), fits: true },
  { state: "CANCELLED", why: "money on its way back", books: payment("AUTHORIZED", { undoing: true }), fits: true },
  { state: "CANCELLED", why: "money taken", books: taken, fits: false },
  { state: "CANCELLED", why: "money taken and on its way back", books: { ...taken, undoing: true }, fits: true },
  { state: "CANCELLED", why: "money taken and given back", books: { ...taken, state: "REFUNDED", refunded: 1_000 }, fits: true },
  { state: "CANCELLED", why: "money given back in part", books: { ...taken, refunded: 400 }, fits: false },
])("an order that is $state with $why: $fits", ({ state, books, fits }) => {
  expect(auditOrderMoney(order(state), books) === undefined).toBe(fits);
});

test("while an order is being changed more may be held, and afterwards more money than it costs", () => {
  const held = { orderId: "ord_1", state: "FIRM", units: 5, returnedUnits: 0 } as const;
  expect(auditOrderStock(order("PENDING_SHIPMENT", { isChanging: true }), held)).toBeUndefined();
  expect(auditOrderStock(order("PENDING_SHIPMENT"), held)?.message).toBe("other units are held than were ordered");
  const cheaper = { total: 800, askedTotal: 1_000 };
  expect(auditOrderMoney(order("PENDING_SHIPMENT", cheaper), payment("AUTHORIZED"))).toBeUndefined();
  expect(auditOrderMoney(order("PENDING_SHIPMENT", { total: 800 }), payment("AUTHORIZED"))).toBeDefined();
  expect(auditOrderMoney(order("DELIVERED", cheaper), taken)?.message).toBe("more was taken than the order costs");
  expect(auditOrderMoney(order("DELIVERED", cheaper), { ...taken, captured: 800 })).toBeUndefined();
});

test("what costs nothing needs no payment", () => {
  expect(auditOrderMoney(order("DELIVERED", { total: 0 }), undefined)).toBeUndefined();
});

test.each([
  { why: "is final", state: "DELIVERED", waitsFor: "", waitsUntil: undefined, letter: false, stuck: false },
  { why: "has time left", state: "PENDING", waitsFor: "fraud", waitsUntil: before(-1), letter: false, stuck: false },
  {
    why: "is late within the grace",
    state: "PENDING",
    waitsFor: "fraud",
    waitsUntil: before(1_000),
    letter: false,
    stuck: false,
  },
  { why: "is late", state: "PENDING", waitsFor: "fraud", waitsUntil: before(1_001), letter: false, stuck: true },
  { why: "is late and has a letter", state: "PENDING", waitsFor: "fraud", waitsUntil: before(1_001), letter: true, stuck: false },
  { why: "waits for nobody", state: "SHIPPED", waitsFor: "", waitsUntil: undefined, letter: false, stuck: true },
] as const)("an order that $why is stuck: $stuck", ({ state, waitsFor, waitsUntil, letter, stuck }) => {
  const finding = auditStuck(order(state, { waitsFor, waitsUntil }), { now, graceMs: 1_000, hasOpenLetter: letter });
  expect(finding !== undefined).toBe(stuck);
});

test("an order is young until the grace is over", () => {
  expect(isYoung(order("SHIPPED", { stateTime: before(999) }), { now, graceMs: 1_000 })).toBe(true);
  expect(isYoung(order("SHIPPED", { stateTime: before(1_000) }), { now, graceMs: 1_000 })).toBe(false);
});

test.each([
  { why: "goes on", state: "PENDING", stateAge: 9_000, heldAge: 9_000, found: false },
  { why: "is cancelled", state: "CANCELLED", stateAge: 9_000, heldAge: 9_000, found: true },
  { why: "was cancelled just now", state: "CANCELLED", stateAge: 100, heldAge: 9_000, found: false },
  { why: "was cancelled, with a hold of just now", state: "CANCELLED", stateAge: 9_000, heldAge: 100, found: false },
  { why: "does not exist", state: undefined, stateAge: 0, heldAge: 9_000, found: true },
  { why: "does not exist, with a hold of just now", state: undefined, stateAge: 0, heldAge: 100, found: false },
] as const)("what is held for an order that $why is stranded: $found", ({ state, stateAge, heldAge, found }) => {
  const held = {
    orderId: "ord_1",
    check: "stock.stranded",
    state: "HELD",
    figure: "3 units",
    updateTime: before(heldAge),
  } as const;
  const books = state && { state, stateTime: before(stateAge) };
  expect(auditHeld(held, books, { now, graceMs: 1_000 }) !== undefined).toBe(found);
});

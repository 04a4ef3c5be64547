import { expect, test } from "vitest";
import { auditChange, auditHold, auditRestocked, auditReturnRefund } from "./audit-changes.ts";
import type { OrderBooks, PaymentBooks } from "./audit-orders.ts";

const now = new Date("2026-01-02T03:04:05Z");
const before = (ms: number): Date => new Date(now.getTime() - ms);

const order = (change: Partial<OrderBooks> = {}): OrderBooks => ({
  orderId: "ord_1",
  state: "PENDING_SHIPMENT",
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

test.each([
  { what: "no change", changeUntil: undefined, isFound: false },
  { what: "a change whose time is not over", changeUntil: before(-1), isFound: false },
  { what: "a change whose time is over for no longer than the grace", changeUntil: before(500), isFound: false },
  { what: "a change whose time is over", changeUntil: before(501), isFound: true },
])("$what", ({ changeUntil, isFound }) => {
  const finding = auditChange(order({ changeUntil, isChanging: true }), { now, graceMs: 500 });
  expect(finding?.check).toBe(isFound ? "orders.changes" : undefined);
});

const parcel = (heldByChangeId: string) =>
  ({ orderId: "ord_1", parcels: [{ state: "CREATED", units: 3 }], heldByChangeId }) as const;

test.each([
  { what: "by a change that is under way", shipment: parcel("chg_1"), change: { isChanging: true }, isFound: false },
  { what: "by none", shipment: parcel(""), change: {}, isFound: false },
  { what: "that is not made", shipment: undefined, change: {}, isFound: false },
  { what: "of a cancelled order", shipment: parcel("chg_1"), change: { state: "CANCELLED" as const }, isFound: false },
  { what: "by a change that is over", shipment: parcel("chg_1"), change: {}, isFound: true },
])("a parcel that is held $what", ({ shipment, change, isFound }) => {
  const finding = auditHold(order(change), shipment);
  expect(finding?.figures).toEqual(isFound ? { order_state: "PENDING_SHIPMENT", change_id: "chg_1" } : undefined);
});

const payment = (returnRefund: number): PaymentBooks => ({
  orderId: "ord_1",
  state: "CAPTURED",
  currencyCode: "EUR",
  amount: 1_000,
  captured: 1_000,
  refunded: 200,
  undoing: false,
  returnRefund,
});

test.each([
  { what: "as promised", promised: 300, asked: payment(300), message: undefined },
  { what: "nothing, and no payment is there", promised: 0, asked: undefined, message: undefined },
  { what: "nothing of what is promised", promised: 300, asked: undefined, message: "was not asked of payments" },
  { what: "twice", promised: 300, asked: payment(600), message: "for more than its returns promise" },
])("payments is asked for $what", ({ promised, asked, message }) => {
  const finding = auditReturnRefund(order({ state: "DELIVERED", returnRefund: promised }), asked);
  if (message === undefined) expect(finding).toBeUndefined();
  else expect(finding?.message).toContain(message);
});

test.each([
  { restockedUnits: 2, returnedUnits: 2, isFound: false },
  { restockedUnits: 2, returnedUnits: 0, isFound: true },
  { restockedUnits: 2, returnedUnits: 4, isFound: true },
])(
  "$restockedUnits units can be sold again, and $returnedUnits are on hand again",
  ({ restockedUnits, returnedUnits, isFound }) => {
    const reservation = { orderId: "ord_1", state: "SHIPPED", units: 3, returnedUnits } as const;
    expect(auditRestocked(order({ state: "DELIVERED", restockedUnits }), reservation) !== undefined).toBe(isFound);
  },
);

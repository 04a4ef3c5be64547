import { expect, test } from "vitest";
import { decide, skusTouched, type OrderChange, type Reservation } from "./reservation.ts";

const expireTime = new Date("2026-01-01T00:30:00Z");
const lines = [{ sku: "MUG", quantity: 2 }];
const other = [
  { sku: "MUG", quantity: 1 },
  { sku: "TEA", quantity: 1 },
];
const base = { tenant: "demo", orderId: "ord_1", releaseReason: undefined, lines, parcels: [], expireTime, sequence: 1 } as const;

const reservations = {
  unknown: undefined,
  tombstone: { ...base, state: "RELEASED", releaseReason: "ORDER_CANCELLED", lines: [], expireTime: undefined },
  held: { ...base, state: "HELD" },
  firm: { ...base, state: "FIRM" },
  shipped: { ...base, state: "SHIPPED" },
  cancelled: { ...base, state: "RELEASED", releaseReason: "ORDER_CANCELLED" },
  expired: { ...base, state: "RELEASED", releaseReason: "HOLD_EXPIRED" },
  refused: { ...base, state: "REFUSED" },
} satisfies Record<string, Reservation | undefined>;

const changes = {
  created: { kind: "created", lines, expireTime },
  ready: { kind: "ready" },
  cancelled: { kind: "cancelled" },
  dispatched: { kind: "dispatched" },
  hold_expired: { kind: "hold_expired", order: "unknown" },
  hold_of_ready_expired: { kind: "hold_expired", order: "ready" },
  hold_of_cancelled_expired: { kind: "hold_expired", order: "cancelled" },
  withdrawn: { kind: "withdrawn" },
  changing: { kind: "changing", lines: other },
  changed: { kind: "changed", changeId: "chg_1", lines: other },
} satisfies Record<OrderChange["kind"], OrderChange> & Record<string, OrderChange>;

const table = [
  ["created", "unknown", "reserve HELD"],
  ["created", "tombstone", "nothing"],
  ["created", "held", "refuse DUPLICATE_ORDER"],
  ["created", "firm", "refuse DUPLICATE_ORDER"],
  ["created", "shipped", "refuse DUPLICATE_ORDER"],
  ["created", "cancelled", "refuse DUPLICATE_ORDER"],
  ["created", "expired", "refuse DUPLICATE_ORDER"],
  ["created", "refused", "refuse DUPLICATE_ORDER"],
  ["ready", "unknown", "refuse RESERVATION_NOT_HELD"],
  ["ready", "tombstone", "nothing"],
  ["ready", "held", "make_firm"],
  ["ready", "firm", "nothing"],
  ["ready", "shipped", "nothing"],
  ["ready", "cancelled", "nothing"],
  ["ready", "expired", "reserve FIRM"],
  ["ready", "refused", "refuse RESERVATION_NOT_HELD"],
  ["cancelled", "unknown", "note_cancellation"],
  ["cancelled", "tombstone", "nothing"],
  ["cancelled", "held", "release ORDER_CANCELLED"],
  ["cancelled", "firm", "release ORDER_CANCELLED"],
  ["cancelled", "shipped", "nothing"],
  ["cancelled", "cancelled", "nothing"],
  ["cancelled", "expired", "note_cancellation"],
  ["cancelled", "refused", "nothing"],
  ["dispatched", "unknown", "refuse RESERVATION_NOT_HELD"],
  ["dispatched", "tombstone", "refuse RESERVATION_NOT_HELD"],
  ["dispatched", "held", "ship"],
  ["dispatched", "firm", "ship"],
  ["dispatched", "shipped", "nothing"],
  ["dispatched", "cancelled", "ship what is free"],
  ["dispatched", "expired", "ship what is free"],
  ["dispatched", "refused", "refuse RESERVATION_NOT_HELD"],
  ["hold_expired", "unknown", "nothing"],
  ["hold_expired", "tombstone", "nothing"],
  ["hold_expired", "held", "release HOLD_EXPIRED"],
  ["hold_expired", "firm", "nothing"],
  ["hold_expired", "shipped", "nothing"],
  ["hold_expired", "cancelled", "nothing"],
  ["hold_expired", "expired", "nothing"],
  ["hold_expired", "refused", "nothing"],
  ["hold_of_ready_expired", "unknown", "nothing"],
  ["hold_of_ready_expired", "tombstone", "nothing"],
  ["hold_of_ready_expired", "held", "make_firm"],
  ["hold_of_ready_expired", "firm", "nothing"],
  ["hold_of_ready_expired", "shipped", "nothing"],
  ["hold_of_ready_expired", "cancelled", "nothing"],
  ["hold_of_ready_expired", "expired", "nothing"],
  ["hold_of_ready_expired", "refused", "nothing"],
  ["hold_of_cancelled_expired", "unknown", "nothing"],
  ["hold_of_cancelled_expired", "tombstone", "nothing"],
  ["hold_of_cancelled_expired", "held", "release ORDER_CANCELLED"],
  ["hold_of_cancelled_expired", "firm", "nothing"],
  ["hold_of_cancelled_expired", "shipped", "nothing"],
  ["hold_of_cancelled_expired", "cancelled", "nothing"],
  ["hold_of_cancelled_expired", "expired", "nothing"],
  ["hold_of_cancelled_expired", "refused", "nothing"],
  ["withdrawn", "unknown", "refuse RESERVATION_NOT_FOUND"],
  ["withdrawn", "tombstone", "nothing"],
  ["withdrawn", "held", "release ORDER_CANCELLED"],
  ["withdrawn", "firm", "release ORDER_CANCELLED"],
  ["withdrawn", "shipped", "refuse RESERVATION_SHIPPED"],
  ["withdrawn", "cancelled", "nothing"],
  ["withdrawn", "expired", "note_cancellation"],
  ["withdrawn", "refused", "nothing"],
  ["changing", "unknown", "refuse RESERVATION_NOT_HELD"],
  ["changing", "tombstone", "refuse RESERVATION_NOT_HELD"],
  ["changing", "held", "hold 2 MUG, 1 TEA"],
  ["changing", "firm", "hold 2 MUG, 1 TEA"],
  ["changing", "shipped", "refuse RESERVATION_NOT_HELD"],
  ["changing", "cancelled", "refuse RESERVATION_NOT_HELD"],
  ["changing", "expired", "refuse RESERVATION_NOT_HELD"],
  ["changing", "refused", "refuse RESERVATION_NOT_HELD"],
  ["changed", "unknown", "refuse RESERVATION_NOT_HELD"],
  ["changed", "tombstone", "nothing"],
  ["changed", "held", "hold 1 MUG, 1 TEA"],
  ["changed", "firm", "hold 1 MUG, 1 TEA"],
  ["changed", "shipped", "refuse CHANGED_AFTER_DISPATCH"],
  ["changed", "cancelled", "nothing"],
  ["changed", "expired", "note_lines"],
  ["changed", "refused", "nothing"],
] as const;

function told(reservation: Reservation | undefined, change: OrderChange): string {
  const decision = decide(reservation, change);
  switch (decision.kind) {
    case "reserve":
      return `reserve ${decision.state}`;
    case "release":
      return `release ${decision.reason}`;
    case "refuse":
      return `refuse ${decision.code}`;
    case "hold":
      return `hold ${decision.lines.map(({ sku, quantity }) => `${quantity} ${sku}`).join(", ")}`;
    case "nothing":
    case "note_lines":
    case "make_firm":
    case "note_cancellation":
      return decision.kind;
    case "ship":
      return decision.isHeld ? "ship" : "ship what is free";
  }
}

test.each(table)("%s, where the reservation is %s: %s", (change, state, want) => {
  expect(told(reservations[state], changes[change])).toBe(want);
});

test("the table has every fact in every state", () => {
  expect(new Set(table.map(([change, state]) => `${change} ${state}`)).size).toBe(10 * 8);
});

test.each([
  { why: "no lines", lines: [] },
  { why: "a line of nothing", lines: [{ sku: "MUG", quantity: 0 }] },
  { why: "a line of less than nothing", lines: [{ sku: "MUG", quantity: -1 }] },
])("an order with $why is refused", ({ lines }) => {
  expect(decide(undefined, { kind: "created", lines, expireTime })).toMatchObject({
    kind: "refuse",
    code: "ORDER_WITHOUT_UNITS",
  });
});

test.each([
  { state: "held", change: "ready", want: [] },
  { state: "firm", change: "dispatched", want: ["MUG"] },
  { state: "shipped", change: "dispatched", want: [] },
  { state: "expired", change: "ready", want: ["MUG"] },
  { state: "expired", change: "dispatched", want: ["MUG"] },
  { state: "held", change: "hold_expired", want: ["MUG"] },
  { state: "held", change: "hold_of_ready_expired", want: [] },
  { state: "unknown", change: "cancelled", want: [] },
  { state: "held", change: "changed", want: ["MUG", "TEA"] },
] as const)("$change on a $state reservation locks the stock of $want", ({ state, change, want }) => {
  expect(skusTouched(reservations[state], changes[change])).toEqual(want);
});

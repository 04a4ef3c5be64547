import { expect, test } from "vitest";
import type { FraudStatus, InventoryStatus, OrderState, PaymentStatus } from "./order.ts";
import { waitOf, type Awaited } from "./waiting.ts";

const stateTime = new Date("2026-01-01T10:00:00Z");
const expireTime = new Date("2026-01-01T10:15:00Z");
const processAfter = new Date("2026-01-20T10:00:00Z");
const limits = { dispatchLimitMs: 72 * 3_600_000, deliveryLimitMs: 720 * 3_600_000 };

interface Wait {
  state: OrderState;
  inventory: InventoryStatus;
  fraud: FraudStatus;
  /** Pending where it is left out. */
  payment?: PaymentStatus;
  waitsFor: Awaited;
  until: string;
}
const waits: Wait[] = [
  { state: "scheduled", inventory: "pending", fraud: "pending", waitsFor: "schedule", until: "2026-01-20T10:00:00.000Z" },
  { state: "pending", inventory: "pending", fraud: "pending", waitsFor: "inventory", until: "2026-01-01T10:15:00.000Z" },
  { state: "pending", inventory: "pending", fraud: "review", waitsFor: "inventory", until: "2026-01-01T10:15:00.000Z" },
  { state: "pending", inventory: "reserved", fraud: "pending", waitsFor: "fraud", until: "2026-01-01T10:15:00.000Z" },
  { state: "pending", inventory: "reserved", fraud: "review", waitsFor: "review", until: "2026-01-01T10:15:00.000Z" },
  { state: "pending", inventory: "reserved", fraud: "cleared", waitsFor: "payments", until: "2026-01-01T10:15:00.000Z" },
  {
    state: "pending",
    inventory: "reserved",
    fraud: "cleared",
    payment: "action_required",
    waitsFor: "buyer",
    until: "2026-01-01T10:15:00.000Z",
  },
  { state: "pending_shipment", inventory: "reserved", fraud: "cleared", waitsFor: "shipping", until: "2026-01-04T10:00:00.000Z" },
  { state: "shipped", inventory: "reserved", fraud: "cleared", waitsFor: "shipping", until: "2026-01-31T10:00:00.000Z" },
];

test.each(waits)("$state, stock $inventory, screening $fraud: waits for $waitsFor until $until", (row) => {
  const { waitsFor, until, payment = "pending", ...order } = row;
  expect(waitOf({ ...order, payment, stateTime, expireTime, processAfter }, limits)).toEqual({
    waitsFor,
    waitsUntil: new Date(until),
  });
});

test.each(["delivered", "returned", "cancelled"] as const)("%s: waits for nobody", (state) => {
  expect(
    waitOf(
      { state, inventory: "reserved", fraud: "cleared", payment: "captured", stateTime, expireTime, processAfter: null },
      limits,
    ),
  ).toBeUndefined();
});

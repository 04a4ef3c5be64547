import { expect, test } from "vitest";
import { decideSweep, sweepDelayMs } from "./sweep.ts";

test.each([
  { check: "stock.stranded", order: undefined, want: "RELEASE_HOLD" },
  { check: "stock.stranded", order: "CANCELLED", want: "RELEASE_HOLD" },
  { check: "stock.stranded", order: "PENDING", want: "leave" },
  { check: "stock.stranded", order: "DELIVERED", want: "leave" },
  { check: "money.stranded", order: undefined, want: "UNDO_PAYMENT" },
  { check: "money.stranded", order: "CANCELLED", want: "UNDO_PAYMENT" },
  { check: "money.stranded", order: "SHIPPED", want: "leave" },
  { check: "orders.next_step", order: "PENDING", want: "RESUME_ORDER" },
  { check: "orders.next_step", order: "CANCELLED", want: "leave" },
  { check: "orders.next_step", order: undefined, want: "leave" },
  { check: "shipments.next_step", order: "SHIPPED", want: "RESUME_SHIPMENT" },
  { check: "shipments.next_step", order: "PENDING_SHIPMENT", want: "RESUME_SHIPMENT" },
  { check: "shipments.next_step", order: "CANCELLED", want: "leave" },
  { check: "shipments.next_step", order: undefined, want: "leave" },
] as const)("$check of an order that is $order: $want", ({ check, order, want }) => {
  const decision = decideSweep(check, order);
  expect(decision.kind === "act" ? decision.action : decision.kind).toBe(want);
});

test("what fails is left alone for longer each time, up to an hour", () => {
  expect([1, 2, 3, 4].map(sweepDelayMs)).toEqual([10_000, 20_000, 40_000, 80_000]);
  expect(sweepDelayMs(1_000)).toBe(3_600_000);
});

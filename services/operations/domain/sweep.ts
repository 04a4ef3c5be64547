// What the sweeper does about what it finds stranded, after it has asked orders again.
import type { OrderState } from "./audit-orders.ts";

export type SweepActionName = "RELEASE_HOLD" | "UNDO_PAYMENT" | "RESUME_ORDER" | "RESUME_SHIPMENT";

/** Findings that the sweeper may mend, by their check. */
export const sweepableChecks = ["stock.stranded", "money.stranded", "orders.next_step", "shipments.next_step"] as const;

export type SweepableCheck = (typeof sweepableChecks)[number];

export type SweepDecision = { kind: "act"; action: SweepActionName; reason: string } | { kind: "leave"; reason: string };

const retryDelayMsMin = 10_000;
const retryDelayMsMax = 3_600_000;

/** What to do now; undefined stands for an order that does not exist. */
export function decideSweep(check: SweepableCheck, order: OrderState | undefined): SweepDecision {
  switch (check) {
    case "stock.stranded":
    case "money.stranded": {
      const action = check === "stock.stranded" ? "RELEASE_HOLD" : "UNDO_PAYMENT";
      if (order === undefined) return { kind: "act", action, reason: "the order does not exist" };
      if (order === "CANCELLED") return { kind: "act", action, reason: "the order is cancelled" };
      return { kind: "leave", reason: `the order is ${order}` };
    }
    case "orders.next_step":
      if (order !== "PENDING") return { kind: "leave", reason: `the order is ${order ?? "not there"}` };
      return { kind: "act", action: "RESUME_ORDER", reason: "nothing was planned that ends the order" };
    case "shipments.next_step":
      // A parcel whose order has ended must not set out by our doing.
      if (order !== "PENDING_SHIPMENT" && order !== "PARTIALLY_SHIPPED" && order !== "SHIPPED") {
        return { kind: "leave", reason: `the order is ${order ?? "not there"}` };
      }
      return { kind: "act", action: "RESUME_SHIPMENT", reason: "nothing was planned that brings the parcel on" };
  }
}

/** How long to leave a finding alone after so many tries. */
export function sweepDelayMs(attempts: number): number {
  return Math.min(retryDelayMsMin * 2 ** Math.max(0, attempts - 1), retryDelayMsMax);
}

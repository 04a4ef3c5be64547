// Whom an order waits for, and until when at the latest.
import type { FraudStatus, InventoryStatus, OrderState, PaymentStatus } from "./order.ts";

export type Awaited = "schedule" | "inventory" | "fraud" | "review" | "payments" | "buyer" | "shipping";

export interface WaitLimits {
  /** From ready to dispatched. */
  dispatchLimitMs: number;
  /** From dispatched to delivered. */
  deliveryLimitMs: number;
}

export interface Standing {
  state: OrderState;
  inventory: InventoryStatus;
  fraud: FraudStatus;
  payment: PaymentStatus;
  /** When it entered its state. */
  stateTime: Date;
  expireTime: Date;
  /** When it is to begin; null where it began at once. */
  processAfter: Date | null;
}

/** Undefined where the order is final and waits for nobody. */
export function waitOf(order: Standing, limits: WaitLimits): { waitsFor: Awaited; waitsUntil: Date } | undefined {
  const { state, stateTime, expireTime, processAfter } = order;
  switch (state) {
    case "scheduled":
      return { waitsFor: "schedule", waitsUntil: processAfter ?? stateTime };
    case "pending":
      return { waitsFor: awaitedWhilePending(order), waitsUntil: expireTime };
    case "pending_shipment":
    case "partially_shipped":
      return { waitsFor: "shipping", waitsUntil: new Date(stateTime.getTime() + limits.dispatchLimitMs) };
    case "shipped":
      return { waitsFor: "shipping", waitsUntil: new Date(stateTime.getTime() + limits.deliveryLimitMs) };
    case "delivered":
    case "returned":
    case "cancelled":
      return undefined;
  }
}

/** Inventory and fraud are asked at once; payments once both are content. */
function awaitedWhilePending({ inventory, fraud, payment }: Standing): Awaited {
  if (inventory !== "reserved") return "inventory";
  if (fraud === "review") return "review";
  if (fraud !== "cleared") return "fraud";
  return payment === "action_required" ? "buyer" : "payments";
}

// How a change comes to its end: the parcel is held and stock reserved first, then the order decides. docs/changes.md shows the same
// tables.
import { totalRefusal, type ChangeableOrder, type Refusal } from "./change.ts";
import type { OrderState } from "./order.ts";

export type ChangeState = "requested" | "applied" | "refused";

/** Which state may follow which. */
export const changeStates: Record<ChangeState, readonly ChangeState[]> = {
  requested: ["applied", "refused"],
  applied: [],
  refused: [],
};

/** What the other services have answered: all is prepared, or why it cannot be. */
export type Preparation = { kind: "prepared" } | ({ kind: "refused" } & Refusal);

export type Conclusion = { kind: "apply" } | ({ kind: "refuse" } & Refusal);

/** Only where others know of the order has anybody to be asked. */
export const needsPreparation = (state: OrderState): boolean => state === "pending" || state === "pending_shipment";

/**
 * Decides about a change, under the order's lock. What was prepared is undone by whoever did it when the refusal is told; a cancelled
 * order has given everything back by itself.
 */
export function conclude(order: ChangeableOrder, total: number, preparation: Preparation): Conclusion {
  switch (order.state) {
    case "cancelled":
      return { kind: "refuse", reason: "ORDER_CANCELLED", message: `the order was cancelled meanwhile: ${order.cancelReason}` };
    case "partially_shipped":
    case "shipped":
    case "delivered":
    case "returned":
      return { kind: "refuse", reason: "ORDER_ALREADY_DISPATCHED", message: "the parcel has left; ask for a return instead" };
    case "scheduled":
    case "pending":
    case "pending_shipment": {
      if (preparation.kind === "refused") return { ...preparation, kind: "refuse" };
      // Payment may have been asked for since the change was confirmed.
      const refusal = totalRefusal(order, total);
      return refusal ? { kind: "refuse", ...refusal } : { kind: "apply" };
    }
  }
}

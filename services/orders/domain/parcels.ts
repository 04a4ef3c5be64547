// The parcels of an order that leaves in several, and what they come to together.
import { parcelStates, type OrderParcel, type ParcelState, type ShipmentStatus } from "./order.ts";

export const isParcelState = (state: string): state is ParcelState => parcelStates.some((one) => one === state);

/** What all parcels together are to their order; what was stopped takes no part where others go on. */
export function statusOf(parcels: readonly Pick<OrderParcel, "state">[]): ShipmentStatus {
  const states = new Set(parcels.map(({ state }) => state));
  states.delete("STOPPED");
  const isHere = states.delete("CREATED");
  if (states.size === 0) return isHere ? "created" : "stopped";
  if (isHere) return "partially_dispatched";
  if (states.has("DISPATCHED")) return "dispatched";
  if (states.has("DELIVERY_FAILED")) return "delivery_failed";
  return states.has("DELIVERED") ? "delivered" : "returned";
}

/** Those that have come back since, while the order goes on with others: the money of each goes back by itself. */
export function newlyReturned(before: readonly OrderParcel[], after: readonly OrderParcel[]): string[] {
  if (after.length === 0 || statusOf(after) === "returned") return [];
  const isBack = new Set(backOf(before).map(({ shipmentId }) => shipmentId));
  return backOf(after).flatMap(({ shipmentId }) => (isBack.has(shipmentId) ? [] : [shipmentId]));
}

export const backOf = (parcels: readonly OrderParcel[]): OrderParcel[] => parcels.filter(({ state }) => state === "RETURNED");

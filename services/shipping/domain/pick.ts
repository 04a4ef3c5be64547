// Parcels that wait to be packed.
import type { Line, Priority, ShipmentState, ShippingMethod } from "./shipment.ts";

export interface Pick {
  orderId: string;
  shipmentId: string;
  /** Its place among the parcels of its order. */
  parcel: number;
  state: ShipmentState;
  priority: Priority;
  method: ShippingMethod | null;
  lines: Line[];
  createTime: Date;
  /** Its carrier has yet to give it a number. */
  isUnbooked: boolean;
  /** Who has claimed it last; empty where nobody has. */
  worker: string;
  /** Until when it is that worker's. */
  leaseTime: Date | null;
  packTime: Date | null;
}

export type PackOutcome =
  | { kind: "packed"; pick: Pick }
  | { kind: "packed_before" | "not_booked" | "not_claimed" | "stopped" | "too_late" };

/** A worker packs what it has claimed; that its time is over matters to nobody where no other has claimed it since. */
export function pack(pick: Pick, { worker, now }: { worker: string; now: Date }): PackOutcome {
  if (pick.state === "CREATED" && pick.isUnbooked) return { kind: "not_booked" };
  if (pick.worker !== worker) return { kind: "not_claimed" };
  if (pick.packTime) return { kind: "packed_before" };
  if (pick.state === "STOPPED") return { kind: "stopped" };
  if (pick.state !== "CREATED") return { kind: "too_late" };
  return { kind: "packed", pick: { ...pick, packTime: now } };
}

/** RUSH first, then the oldest. */
export const inTurn = (one: Pick, other: Pick): number =>
  Number(one.priority !== "RUSH") - Number(other.priority !== "RUSH") ||
  one.createTime.getTime() - other.createTime.getTime() ||
  (one.orderId === other.orderId ? one.parcel - other.parcel : one.orderId < other.orderId ? -1 : 1);

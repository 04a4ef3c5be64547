// What a parcel that has not arrived must wait for, and what to say where it waits for nothing.
import type { ShipmentState } from "./shipment.ts";

export type Step = "book" | "dispatch" | "deliver";
/** Whether a carrier's parcels move by the clock, or only when it says so. */
export type MovesByClock = (carrier: string) => boolean;

/** The step that a parcel waits for; undefined where it waits for none, for its carrier's word on its way, or for a person. */
export function nextStep(
  progress: Pick<Progress, "state" | "carrier" | "booking">,
  movesByClock: MovesByClock,
): Step | undefined {
  const { state, carrier, booking } = progress;
  if (booking === "refused") return undefined;
  if (booking === "wanted") return "book";
  if (!movesByClock(carrier)) return undefined;
  switch (state) {
    case "CREATED":
      return "dispatch";
    case "DISPATCHED":
      return "deliver";
    // Only the carrier knows what becomes of it.
    case "DELIVERY_FAILED":
    case "DELIVERED":
    case "RETURNED":
    case "STOPPED":
      return undefined;
  }
}

/** A parcel and when its next step is planned, read at one moment. */
export interface Progress {
  orderId: string;
  shipmentId: string;
  parcel: number;
  carrier: string;
  state: ShipmentState;
  /** Whether its carrier is yet to give it a number, or does not take it. */
  booking: "wanted" | "refused" | "none";
  /** Units in it. */
  units: number;
  updateTime: Date;
  /** Null where none is planned. */
  nextStepTime: Date | null;
  /** The newest change of its order that holds it back; null where none does, or it has left. */
  heldBy: string | null;
}

export interface Finding {
  check: "shipments.next_step";
  /** The order. */
  key: string;
  message: string;
  figures: Record<string, string>;
}

export function auditShipment(progress: Progress, movesByClock: MovesByClock): Finding | undefined {
  const { orderId, shipmentId, state, updateTime, nextStepTime } = progress;
  const needed = nextStep(progress, movesByClock);
  if (!needed || nextStepTime) return undefined;
  const figures = { state, needed, shipment_id: shipmentId, update_time: updateTime.toISOString() };
  return { check: "shipments.next_step", key: orderId, message: `nothing is planned that would ${needed} the parcel`, figures };
}

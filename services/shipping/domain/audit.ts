// What a parcel that has not arrived must wait for, and what to say where it waits for nothing.
import type { ShipmentState } from "./shipment.ts";

export type Step = "dispatch" | "deliver";

/** The step that a parcel in this state waits for; undefined where it waits for none. */
export function nextStep(state: ShipmentState): Step | undefined {
  switch (state) {
    case "CREATED":
      return "dispatch";
    case "DISPATCHED":
      return "deliver";
    case "DELIVERED":
    case "STOPPED":
      return undefined;
  }
}

/** A parcel and when its next step is planned, read at one moment. */
export interface Progress {
  orderId: string;
  shipmentId: string;
  state: ShipmentState;
  updateTime: Date;
  /** Null where none is planned. */
  nextStepTime: Date | null;
}

export interface Finding {
  check: "shipments.next_step";
  /** The order. */
  key: string;
  message: string;
  figures: Record<string, string>;
}

export function auditShipment({ orderId, shipmentId, state, updateTime, nextStepTime }: Progress): Finding | undefined {
  const needed = nextStep(state);
  if (!needed || nextStepTime) return undefined;
  const figures = { state, needed, shipment_id: shipmentId, update_time: updateTime.toISOString() };
  return { check: "shipments.next_step", key: orderId, message: `nothing is planned that would ${needed} the parcel`, figures };
}

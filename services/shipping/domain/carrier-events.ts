// What a carrier's events do to a parcel. They come late, twice and out of order. docs/shipping.md shows the same table.
import { deliver, dispatch, fail, returnToSender, type Shipment, type ShipmentState } from "./shipment.ts";

export const carrierEvents = [
  "picked_up",
  "in_transit",
  "out_for_delivery",
  "delivered",
  "delivery_failed",
  "returned_to_sender",
] as const;
export type CarrierEvent = (typeof carrierEvents)[number];

export const isCarrierEvent = (type: string): type is CarrierEvent => (carrierEvents as readonly string[]).includes(type);

/** The states that the parcel enters one after the other; "against" where the event cannot be true of such a parcel. */
export type Moves = readonly ("DISPATCHED" | "DELIVERED" | "DELIVERY_FAILED" | "RETURNED")[] | "against";

const stays: Record<CarrierEvent, Moves> = {
  picked_up: [],
  in_transit: [],
  out_for_delivery: [],
  delivered: [],
  delivery_failed: [],
  returned_to_sender: [],
};

/** Whatever a carrier says of a parcel says that it has it, so one that we have not seen leave has left. */
export const movesOf: Record<ShipmentState, Record<CarrierEvent, Moves>> = {
  CREATED: {
    picked_up: ["DISPATCHED"],
    in_transit: ["DISPATCHED"],
    out_for_delivery: ["DISPATCHED"],
    delivered: ["DISPATCHED", "DELIVERED"],
    delivery_failed: ["DISPATCHED", "DELIVERY_FAILED"],
    returned_to_sender: ["DISPATCHED", "RETURNED"],
  },
  DISPATCHED: { ...stays, delivered: ["DELIVERED"], delivery_failed: ["DELIVERY_FAILED"], returned_to_sender: ["RETURNED"] },
  DELIVERY_FAILED: { ...stays, delivered: ["DELIVERED"], returned_to_sender: ["RETURNED"] },
  DELIVERED: { ...stays, returned_to_sender: "against" },
  RETURNED: { ...stays, delivered: "against" },
  STOPPED: {
    picked_up: "against",
    in_transit: "against",
    out_for_delivery: "against",
    delivered: "against",
    delivery_failed: "against",
    returned_to_sender: "against",
  },
};

export interface ReportedEvent {
  event: CarrierEvent;
  /** By the carrier's clock. */
  time: Date;
  detail: string;
  /** True where the carrier has told of something later before. */
  isOld: boolean;
}

/**
 * The parcel after each step that it takes, none where it stays; "against" where the event contradicts what the parcel is. A
 * delivery that failed before something that is known already is over: the parcel has been on its way again since.
 */
export function report(shipment: Shipment, { event, time, detail, isOld }: ReportedEvent, now: Date): Shipment[] | "against" {
  const moves = movesOf[shipment.state][event];
  if (moves === "against") return "against";
  // A carrier's clock may be ahead of ours.
  const when = time < now ? time : now;
  const steps: Shipment[] = [];
  for (const state of moves) {
    const before: Shipment = steps.at(-1) ?? shipment;
    const after = step(before, state, { when, detail, isOld });
    if (after) steps.push(after);
  }
  return steps;
}

function step(
  shipment: Shipment,
  state: Exclude<Moves, "against">[number],
  { when, detail, isOld }: { when: Date; detail: string; isOld: boolean },
): Shipment | undefined {
  switch (state) {
    case "DISPATCHED":
      return dispatch(shipment, when);
    case "DELIVERED":
      return deliver(shipment, when);
    case "DELIVERY_FAILED":
      return isOld ? undefined : fail(shipment, { when, reason: detail });
    case "RETURNED":
      return returnToSender(shipment, when);
  }
}

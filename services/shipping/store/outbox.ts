// What shipping tells the others about a parcel, and what it plans to do with it later.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Transaction } from "kysely";
import {
  ShipmentCreatedSchema,
  ShipmentDeliveredSchema,
  ShipmentDispatchedSchema,
  ShipmentStoppedSchema,
} from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, type Cause, type OutgoingEvent } from "#runtime/events/outgoing.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import type { Shipment } from "../domain/shipment.ts";
import type { Tables } from "./shipments.ts";

/** A step that a parcel has just taken, and what led to it. */
export interface Step {
  shipment: Shipment;
  cause: Cause;
}

/** Sends the newest event of each shipment, into the transaction that saves it. */
export async function tellOf(tx: Transaction<Tables>, steps: readonly Step[], time: Date): Promise<void> {
  await appendEvents(
    tx,
    steps.map((step) => eventOf(step, time)),
  );
}

function eventOf({ shipment, cause }: Step, time: Date): OutgoingEvent {
  const { tenant, orderId, shipmentId, carrier, trackingNumber, dispatchTime, deliverTime } = shipment;
  const about = { tenant, sequence: shipment.eventCount, time, cause };
  switch (shipment.state) {
    case "CREATED":
      return outgoing(ShipmentCreatedSchema, { orderId, shipmentId, carrier, trackingNumber }, about);
    case "DISPATCHED":
      return outgoing(
        ShipmentDispatchedSchema,
        { orderId, shipmentId, dispatchTime: timestampFromDate(dispatchTime ?? time) },
        about,
      );
    case "DELIVERED":
      return outgoing(
        ShipmentDeliveredSchema,
        { orderId, shipmentId, deliverTime: timestampFromDate(deliverTime ?? time) },
        about,
      );
    case "STOPPED":
      return outgoing(ShipmentStoppedSchema, { orderId, shipmentId, reason: shipment.stopReason }, about);
  }
}

export const dispatchKind = "shipping.dispatch";
export const deliverKind = "shipping.deliver";

/** The kind of due work that takes a step. */
export const stepKinds = { dispatch: dispatchKind, deliver: deliverKind } as const;
export type StepKind = (typeof stepKinds)[keyof typeof stepKinds];

/**
 * Plans the next step of parcels. A plan is never taken back: it finds a stopped parcel and does nothing. Taking it back
 * would lock the parcel before the plan, while the plan's own work locks them the other way round.
 */
export async function planStep(
  tx: Transaction<Tables>,
  steps: readonly Step[],
  { kind, inMs }: { kind: StepKind; inMs: number },
): Promise<void> {
  await planDue(
    tx,
    steps.map(({ shipment: { tenant, orderId }, cause }) => ({ kind, tenant, key: orderId, due: { inMs }, cause })),
  );
}

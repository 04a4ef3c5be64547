// What shipping tells the others about a parcel, and what it plans to do with it later.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Transaction } from "kysely";
import {
  ShipmentCreatedSchema,
  ShipmentDeliveredSchema,
  ShipmentDeliveryFailedSchema,
  ShipmentDispatchedSchema,
  ShipmentReturnedSchema,
  ShipmentStoppedSchema,
} from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, type Cause, type OutgoingEvent } from "#runtime/events/outgoing.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import type { Pace, Shipment } from "../domain/shipment.ts";
import type { Tables } from "./shipments.ts";

/** A step that a parcel has just taken, and what led to it. */
export interface Step {
  shipment: Shipment;
  cause: Cause;
}

/** Sends the event of each step, into the transaction that saves it. */
export async function tellOf(tx: Transaction<Tables>, steps: readonly Step[], time: Date): Promise<void> {
  await appendEvents(
    tx,
    steps.map((step) => eventOf(step, time)),
  );
}

const linesOf = ({ lines }: Shipment) => lines.map(({ sku, quantity }) => ({ sku, quantity: BigInt(quantity) }));

function eventOf({ shipment, cause }: Step, time: Date): OutgoingEvent {
  const { tenant, orderId, shipmentId, carrier, trackingNumber, dispatchTime, deliverTime, failTime, returnTime } = shipment;
  const about = { tenant, sequence: shipment.eventCount, time, cause };
  switch (shipment.state) {
    case "CREATED":
      return outgoing(ShipmentCreatedSchema, { orderId, shipmentId, carrier, trackingNumber }, about);
    case "DISPATCHED":
      return outgoing(
        ShipmentDispatchedSchema,
        { orderId, shipmentId, dispatchTime: timestampFromDate(dispatchTime ?? time), lines: linesOf(shipment) },
        about,
      );
    case "DELIVERED":
      return outgoing(
        ShipmentDeliveredSchema,
        { orderId, shipmentId, deliverTime: timestampFromDate(deliverTime ?? time) },
        about,
      );
    case "DELIVERY_FAILED":
      return outgoing(
        ShipmentDeliveryFailedSchema,
        { orderId, shipmentId, failTime: timestampFromDate(failTime ?? time) },
        about,
      );
    case "RETURNED":
      return outgoing(ShipmentReturnedSchema, { orderId, shipmentId, returnTime: timestampFromDate(returnTime ?? time) }, about);
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
 * Plans a step of those parcels whose carrier moves by the clock. A plan is never taken back: it finds a stopped parcel and does
 * nothing. Taking it back would lock the parcel before the plan, while the plan's own work locks them the other way round.
 */
export async function planStep(
  tx: Transaction<Tables>,
  steps: readonly Step[],
  { step, paceOf }: { step: keyof typeof stepKinds; paceOf: (carrier: string) => Pace | undefined },
): Promise<void> {
  const kind = stepKinds[step];
  await planDue(
    tx,
    steps.flatMap(({ shipment: { tenant, orderId, carrier }, cause }) => {
      const pace = paceOf(carrier);
      if (!pace) return [];
      return [{ kind, tenant, key: orderId, due: { inMs: step === "dispatch" ? pace.dispatchMs : pace.deliverMs }, cause }];
    }),
  );
}

/** Plans for now the step that a parcel waits for. */
export async function planNow(tx: Transaction<Tables>, { shipment, cause }: Step, kind: StepKind): Promise<void> {
  const { tenant, orderId } = shipment;
  await planDue(tx, [{ kind, tenant, key: orderId, due: { inMs: 0 }, cause }]);
}

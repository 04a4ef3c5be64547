// What shipping tells the others about a parcel, and what it plans to do with it later.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Transaction } from "kysely";
import {
  ShipmentCreatedSchema,
  ShipmentDeliveredSchema,
  ShipmentDeliveryFailedSchema,
  ShipmentDispatchedSchema,
  ShipmentNumberChangedSchema,
  ShipmentReturnedSchema,
  ShipmentStoppedSchema,
} from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { appendEvents } from "#runtime/events/outbox.ts";
import { outgoing, type Cause, type OutgoingEvent } from "#runtime/events/outgoing.ts";
import { planDue } from "#runtime/schedule/due-work.ts";
import type { ParcelStep } from "../domain/parcels.ts";
import type { Pace, Shipment } from "../domain/shipment.ts";
import { bookingKey, bookKind, endBookings } from "./bookings.ts";
import type { Tables } from "./shipments.ts";

/** A step that a parcel has just taken, and what led to it. */
export interface Step extends ParcelStep {
  cause: Cause;
  /** It is where it was, with another number. */
  isNumber?: boolean;
}

/** Sends the event of each step, into the transaction that saves it; and what was booked for parcels that are stopped is given back. */
export async function tellOf(tx: Transaction<Tables>, steps: readonly Step[], time: Date): Promise<void> {
  const ended = steps.filter(({ shipment }) => shipment.state === "STOPPED" && shipment.bookingVersion > 0);
  // Nothing is waited for where there is none, so that the events travel with what is sent at this moment.
  if (ended.length > 0) await endBookings(tx, ended, time);
  await appendEvents(
    tx,
    steps.map((step) => eventOf(step, time)),
  );
}

const linesOf = ({ lines }: Shipment) => lines.map(({ sku, quantity }) => ({ sku, quantity: BigInt(quantity) }));

/** Only where there are several: one parcel is the whole order. */
const standingsOf = (parcels: readonly Shipment[]) =>
  parcels.length === 1
    ? []
    : parcels.map((parcel) => ({
        shipmentId: parcel.shipmentId,
        state: parcel.state,
        lines: linesOf(parcel),
        trackingNumber: parcel.trackingNumber,
      }));

function eventOf({ shipment, parcels, sequence, cause, isNumber = false }: Step, time: Date): OutgoingEvent {
  const { tenant, orderId, shipmentId, carrier, trackingNumber, dispatchTime, deliverTime, failTime, returnTime } = shipment;
  const about = { tenant, sequence, time, cause };
  const parcel = { orderId, shipmentId, lines: linesOf(shipment), parcels: standingsOf(parcels) };
  if (isNumber) return outgoing(ShipmentNumberChangedSchema, { ...parcel, carrier, trackingNumber }, about);
  switch (shipment.state) {
    case "CREATED": {
      const splitFromShipmentId = shipment.split?.fromShipmentId ?? "";
      return outgoing(ShipmentCreatedSchema, { ...parcel, carrier, trackingNumber, splitFromShipmentId }, about);
    }
    case "DISPATCHED":
      return outgoing(ShipmentDispatchedSchema, { ...parcel, dispatchTime: timestampFromDate(dispatchTime ?? time) }, about);
    case "DELIVERED":
      return outgoing(ShipmentDeliveredSchema, { ...parcel, deliverTime: timestampFromDate(deliverTime ?? time) }, about);
    case "DELIVERY_FAILED":
      return outgoing(ShipmentDeliveryFailedSchema, { ...parcel, failTime: timestampFromDate(failTime ?? time) }, about);
    case "RETURNED":
      return outgoing(ShipmentReturnedSchema, { ...parcel, returnTime: timestampFromDate(returnTime ?? time) }, about);
    case "STOPPED":
      return outgoing(ShipmentStoppedSchema, { ...parcel, reason: shipment.stopReason }, about);
  }
}

/** Under what its next step is planned: the first parcel's has been the order's since there was but one. */
export const planKey = ({ parcel, orderId, shipmentId }: Pick<Shipment, "parcel" | "orderId" | "shipmentId">): string =>
  parcel === 1 ? orderId : shipmentId;

export const dispatchKind = "shipping.dispatch";
export const deliverKind = "shipping.deliver";

/** The kind of due work that takes a step. */
export const stepKinds = { book: bookKind, dispatch: dispatchKind, deliver: deliverKind } as const;
export type StepKind = (typeof stepKinds)[keyof typeof stepKinds];

/**
 * Plans a step of those parcels whose carrier moves by the clock. A plan is never taken back: it finds a stopped parcel and does
 * nothing. Taking it back would lock the parcel before the plan, while the plan's own work locks them the other way round.
 */
export async function planStep(
  tx: Transaction<Tables>,
  steps: readonly Pick<Step, "shipment" | "cause">[],
  { step, paceOf }: { step: "dispatch" | "deliver"; paceOf: (carrier: string) => Pace | undefined },
): Promise<void> {
  const kind = stepKinds[step];
  await planDue(
    tx,
    steps.flatMap(({ shipment, cause }) => {
      const pace = paceOf(shipment.carrier);
      if (!pace) return [];
      const due = { inMs: step === "dispatch" ? pace.dispatchMs : pace.deliverMs };
      return [{ kind, tenant: shipment.tenant, key: planKey(shipment), due, cause }];
    }),
  );
}

/** Plans for now the step that a parcel waits for. */
export async function planNow(
  tx: Transaction<Tables>,
  { shipment, cause }: Pick<Step, "shipment" | "cause">,
  kind: StepKind,
): Promise<void> {
  const key = kind === bookKind ? bookingKey(shipment) : planKey(shipment);
  await planDue(tx, [{ kind, tenant: shipment.tenant, key, due: { inMs: 0 }, cause }]);
}

// GetTracking: the way of a parcel, for its buyer and for operators.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Kysely } from "kysely";
import type { GetTrackingResponseSchema } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { isAnothers } from "#runtime/access/authorize.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { findParcels, type Tables } from "../store/shipments.ts";
import { readTracking } from "../store/tracking.ts";
import { chosen, type WhichParcel } from "./read-parcel.ts";
import { lineMessages, shipmentNotFound, stateMessages } from "./shipment-message.ts";

const eventsMax = 200;

export async function getTracking(
  db: Kysely<Tables>,
  which: WhichParcel,
): Promise<MessageInitShape<typeof GetTrackingResponseSchema>> {
  const { orderId } = which;
  const key = { tenant: currentRequest().tenant, orderId };
  const parcels = await findParcels(db, key);
  const shipment = chosen(parcels, which);
  // Both, whosever it is and whether it is there: neither words nor statements tell that it is another's.
  const events = await readTracking(db, { ...key, parcel: shipment?.parcel ?? 1 }, eventsMax);
  if (!shipment || isAnothers(shipment.customerId)) throw shipmentNotFound(orderId);
  const { shipmentId, carrier, trackingNumber, state } = shipment;
  return {
    tracking: {
      orderId,
      carrier,
      trackingNumber,
      state: stateMessages[state],
      shipmentId,
      parcels: parcels.map((parcel) => ({
        shipmentId: parcel.shipmentId,
        carrier: parcel.carrier,
        trackingNumber: parcel.trackingNumber,
        state: stateMessages[parcel.state],
        lines: lineMessages(parcel),
      })),
      events: events.map(({ event, time, place, detail }) => ({ event, time: timestampFromDate(time), place, detail })),
    },
  };
}

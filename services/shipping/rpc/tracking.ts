// GetTracking: the way of a parcel, for its buyer and for operators.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { Kysely } from "kysely";
import type { GetTrackingResponseSchema } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { isAnothers } from "#runtime/access/authorize.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { findShipment, type Tables } from "../store/shipments.ts";
import { readTracking } from "../store/tracking.ts";
import { shipmentNotFound, stateMessages } from "./shipment-message.ts";

const eventsMax = 200;

export async function getTracking(
  db: Kysely<Tables>,
  orderId: string,
): Promise<MessageInitShape<typeof GetTrackingResponseSchema>> {
  const key = { tenant: currentRequest().tenant, orderId };
  // Both, whosever it is: neither words nor statements tell that it is another's.
  const [shipment, events] = await Promise.all([findShipment(db, key), readTracking(db, key, eventsMax)]);
  if (!shipment || isAnothers(shipment.customerId)) throw shipmentNotFound(orderId);
  const { carrier, trackingNumber, state } = shipment;
  return {
    tracking: {
      orderId,
      carrier,
      trackingNumber,
      state: stateMessages[state],
      events: events.map(({ event, time, place, detail }) => ({ event, time: timestampFromDate(time), place, detail })),
    },
  };
}

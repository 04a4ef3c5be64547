// Shipments as they are told.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError } from "@connectrpc/connect";
import { ShipmentState as State, ShippingMethod as Method, type ShipmentSchema } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { refuse } from "#runtime/errors.ts";
import type { Shipment } from "../domain/shipment.ts";

export const stateMessages = {
  CREATED: State.CREATED,
  DISPATCHED: State.DISPATCHED,
  DELIVERY_FAILED: State.DELIVERY_FAILED,
  DELIVERED: State.DELIVERED,
  RETURNED: State.RETURNED,
  STOPPED: State.STOPPED,
} as const;
export const methodMessages = { STANDARD: Method.STANDARD, EXPRESS: Method.EXPRESS } as const;

export const shipmentNotFound = (orderId: string): ConnectError =>
  refuse(Code.NotFound, "SHIPMENT_NOT_FOUND", `order ${orderId} has no such shipment`, { orderId });

export const shipmentNotBooked = (orderId: string): ConnectError => {
  const message = `the carrier has yet to give the parcel of order ${orderId} a number: try again, or see what GetShipment says of it`;
  return refuse(Code.FailedPrecondition, "SHIPMENT_NOT_BOOKED", message, { orderId });
};

export const lineMessages = ({ lines }: Pick<Shipment, "lines">) =>
  lines.map(({ sku, quantity }) => ({ sku, quantity: BigInt(quantity) }));

export function shipmentMessage(shipment: Shipment): MessageInitShape<typeof ShipmentSchema> {
  const { shipmentId, orderId, state, method, carrier, trackingNumber, address, priority, failReason } = shipment;
  const { createTime, dispatchTime, deliverTime, failTime, returnTime, packTime, split } = shipment;
  const { bookingRefusal, bookingMessage } = shipment;
  return {
    shipmentId,
    orderId,
    state: stateMessages[state],
    method: method ? methodMessages[method] : Method.UNSPECIFIED,
    carrier,
    trackingNumber,
    createTime: timestampFromDate(createTime),
    ...(address ? { address } : {}),
    ...(dispatchTime ? { dispatchTime: timestampFromDate(dispatchTime) } : {}),
    ...(deliverTime ? { deliverTime: timestampFromDate(deliverTime) } : {}),
    ...(failTime ? { failTime: timestampFromDate(failTime) } : {}),
    failReason,
    priority,
    ...(returnTime ? { returnTime: timestampFromDate(returnTime) } : {}),
    lines: lineMessages(shipment),
    ...(packTime ? { packTime: timestampFromDate(packTime) } : {}),
    splitFromShipmentId: split?.fromShipmentId ?? "",
    bookingRefusal,
    bookingMessage,
  };
}

// What orders tells of goods that come back, under the next number of their order.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  ExchangePlacedSchema,
  OrderParcelReturnedSchema,
  ReturnApprovedSchema,
  ReturnReceivedSchema,
  ReturnRejectedSchema,
} from "#gen/ordermesh/orders/events/v1/return_events_pb.ts";
import { outgoing, type Cause, type OutgoingEvent } from "#runtime/events/outgoing.ts";
import type { ParcelPaidBack } from "./announced.ts";
import type { ReturnState } from "../domain/returns.ts";
import type { LockedOrder } from "../store/progress.ts";

interface About {
  time: Date;
  cause: Cause;
}

interface Back {
  returnId: string;
  /** Minor units; null before it is received. */
  refund: number | null;
  restocked: readonly { sku: string; quantity: number }[];
}

/** What is told of a return that has entered a state. Who asks for one need not be told so. */
export function returnEvents(order: LockedOrder, back: Back & { state: ReturnState }, about: About): OutgoingEvent[] {
  const { orderId, customerId } = order;
  const { returnId, state } = back;
  const time = timestampFromDate(about.time);
  switch (state) {
    case "requested":
      return [];
    case "approved":
      return [outgoing(ReturnApprovedSchema, { orderId, customerId, returnId, approveTime: time }, envelopeOf(order, about))];
    case "rejected":
      return [outgoing(ReturnRejectedSchema, { orderId, customerId, returnId, rejectTime: time }, envelopeOf(order, about))];
    case "received":
      return [outgoing(ReturnReceivedSchema, received(order, back, about), envelopeOf(order, about))];
  }
}

function received(order: LockedOrder, back: Back, { time }: About): MessageInitShape<typeof ReturnReceivedSchema> {
  const { orderId, customerId, currencyCode } = order;
  return {
    orderId,
    customerId,
    returnId: back.returnId,
    refund: { currencyCode, minorUnits: BigInt(back.refund ?? 0) },
    restocked: back.restocked.map(({ sku, quantity }) => ({ sku, quantity: BigInt(quantity) })),
    receiveTime: timestampFromDate(time),
  };
}

/** Of the order of the return: the one that was placed tells of itself. */
export function exchangePlaced(
  order: LockedOrder,
  { returnId, exchangeOrderId }: { returnId: string; exchangeOrderId: string },
  about: About,
): OutgoingEvent {
  const { orderId, customerId } = order;
  const placeTime = timestampFromDate(about.time);
  const message = { orderId, customerId, returnId, exchangeOrderId, placeTime };
  return outgoing(ExchangePlacedSchema, message, envelopeOf(order, about));
}

function envelopeOf(order: LockedOrder, about: About) {
  order.eventsSent += 1;
  return { tenant: order.tenant, sequence: order.eventsSent, ...about };
}

/** A parcel that came back, while the order goes on with others. */
export function parcelReturned(
  { orderId, currencyCode }: LockedOrder,
  { returnedParcel: shipmentId, refund }: ParcelPaidBack,
  envelope: { tenant: string; sequence: number; time: Date; cause: Cause },
): OutgoingEvent {
  const returnTime = timestampFromDate(envelope.time);
  return outgoing(
    OrderParcelReturnedSchema,
    { orderId, shipmentId, refund: { currencyCode, minorUnits: BigInt(refund) }, returnTime },
    envelope,
  );
}

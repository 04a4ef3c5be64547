// What orders tells of goods that came back, under the next number of their order.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { OrderParcelReturnedSchema, ReturnReceivedSchema } from "#gen/ordermesh/orders/events/v1/return_events_pb.ts";
import { outgoing, type Cause, type OutgoingEvent } from "#runtime/events/outgoing.ts";
import type { ParcelPaidBack } from "./announced.ts";
import type { LockedOrder } from "../store/progress.ts";

export function returnReceived(
  order: LockedOrder,
  back: { returnId: string; refund: number; restocked: readonly { sku: string; quantity: number }[] },
  { time, cause }: { time: Date; cause: Cause },
): OutgoingEvent {
  const { orderId, customerId, currencyCode, tenant } = order;
  order.eventsSent += 1;
  return outgoing(
    ReturnReceivedSchema,
    {
      orderId,
      customerId,
      returnId: back.returnId,
      refund: { currencyCode, minorUnits: BigInt(back.refund) },
      restocked: back.restocked.map(({ sku, quantity }) => ({ sku, quantity: BigInt(quantity) })),
      receiveTime: timestampFromDate(time),
    },
    { tenant, sequence: order.eventsSent, time, cause },
  );
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

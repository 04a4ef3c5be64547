// What orders tells of goods that came back, under the next number of their order.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { ReturnReceivedSchema } from "#gen/ordermesh/orders/events/v1/return_events_pb.ts";
import { outgoing, type Cause, type OutgoingEvent } from "#runtime/events/outgoing.ts";
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

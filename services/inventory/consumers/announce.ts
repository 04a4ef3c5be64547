// What inventory announces, as events.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  StockInsufficientSchema,
  StockLowSchema,
  StockReleasedSchema,
  StockReservedSchema,
} from "#gen/ordermesh/inventory/events/v1/inventory_events_pb.ts";
import { outgoing, type OutgoingEvent } from "#runtime/events/outgoing.ts";
import type { Announcement } from "../domain/settle.ts";

export function announcementEvent(announcement: Announcement, time: Date): OutgoingEvent {
  const { tenant, sequence, cause } = announcement;
  const about = { tenant, sequence, time, cause };
  switch (announcement.kind) {
    case "reserved": {
      const { orderId, expireTime } = announcement;
      return outgoing(StockReservedSchema, { orderId, ...(expireTime && { expireTime: timestampFromDate(expireTime) }) }, about);
    }
    case "insufficient": {
      const { orderId } = announcement;
      const shortages = announcement.shortages.map(({ sku, requested, available }) => ({
        sku,
        requested: BigInt(requested),
        available: BigInt(available),
      }));
      return outgoing(StockInsufficientSchema, { orderId, shortages }, about);
    }
    case "released": {
      const { orderId, reason } = announcement;
      return outgoing(StockReleasedSchema, { orderId, reason }, about);
    }
    case "low": {
      const { sku, onHand, threshold } = announcement;
      return outgoing(StockLowSchema, { sku, onHand: BigInt(onHand), threshold: BigInt(threshold) }, about);
    }
  }
}

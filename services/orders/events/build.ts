// What orders tells the others.
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  OrderCancelledSchema,
  OrderDeliveredSchema,
  OrderPaymentDueSchema,
  OrderReadySchema,
  OrderReturnedSchema,
  OrderShippedSchema,
} from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { OrderCreatedSchema } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { outgoing, type Cause, type OutgoingEvent } from "#runtime/events/outgoing.ts";
import type { Tax } from "../domain/tax.ts";
import { parcelReturned } from "./returned.ts";
import type { Announced } from "./announced.ts";
import type { Line, LockedOrder } from "../store/progress.ts";
import type { AddressRow, Screening } from "../store/tables.ts";

/** What the others are told of an order when it begins. */
export interface CreatedOrder {
  tenant: string;
  orderId: string;
  customerId: string;
  currencyCode: string;
  items: readonly Line[];
  subtotal: number;
  shippingCost: number;
  shippingTax?: Tax | null | undefined;
  taxAdded: number;
  total: number;
  shippingAddress?: AddressRow | null | undefined;
  screening: Screening;
  createTime: Date;
  expireTime: Date;
}

/** The first event of an order. */
export function orderCreated(order: CreatedOrder, { time, cause }: { time: Date; cause: Cause }): OutgoingEvent {
  const money = (minorUnits: number): { currencyCode: string; minorUnits: bigint } => ({
    currencyCode: order.currencyCode,
    minorUnits: BigInt(minorUnits),
  });
  return outgoing(
    OrderCreatedSchema,
    {
      orderId: order.orderId,
      buyer: { customerId: order.customerId, ...order.screening },
      lines: order.items.map(({ sku, quantity, unitPrice, tax }) => ({
        sku,
        quantity: BigInt(quantity),
        unitPrice: money(unitPrice),
        ...(tax && { tax: money(tax.amount) }),
      })),
      subtotal: money(order.subtotal),
      shippingCost: money(order.shippingCost),
      total: money(order.total),
      ...(isTaxed(order) && { tax: money(taxOf(order)), taxAdded: money(order.taxAdded) }),
      ...(order.shippingAddress ? { shippingAddress: order.shippingAddress } : {}),
      createTime: timestampFromDate(order.createTime),
      expireTime: timestampFromDate(order.expireTime),
    },
    { tenant: order.tenant, sequence: 1, time, cause },
  );
}

const isTaxed = ({ items, shippingTax }: CreatedOrder): boolean => Boolean(shippingTax) || items.some(({ tax }) => tax);

const taxOf = ({ items, shippingTax }: CreatedOrder): number =>
  items.reduce((sum, { tax }) => sum + (tax?.amount ?? 0), shippingTax?.amount ?? 0);

const noScreening: Screening = { paymentMethodBin: "", deviceFingerprint: "", email: "" };

/** The event for an announcement; it takes the order's next sequence number. */
export function announce(
  order: LockedOrder,
  announcement: Announced["announcement"],
  about: { lines: readonly Line[]; time: Date; cause: Cause },
): OutgoingEvent {
  const { orderId, tenant, progress } = order;
  order.eventsSent += 1;
  const envelope = { tenant, sequence: order.eventsSent, time: about.time, cause: about.cause };
  if (typeof announcement === "object") return parcelReturned(order, announcement, envelope);
  switch (announcement) {
    case "created":
      return orderCreated({ ...order, items: about.lines, screening: order.screening ?? noScreening }, about);
    case "payment_due":
      return outgoing(
        OrderPaymentDueSchema,
        {
          orderId,
          amount: { currencyCode: order.currencyCode, minorUnits: BigInt(order.total) },
          paymentToken: order.paymentToken,
          deadline: timestampFromDate(order.expireTime),
          customerId: order.customerId,
          lines: about.lines.map(({ sku, quantity, unitPrice }) => ({
            sku,
            quantity: BigInt(quantity),
            unitPrice: { currencyCode: order.currencyCode, minorUnits: BigInt(unitPrice) },
          })),
        },
        envelope,
      );
    case "ready":
      return outgoing(
        OrderReadySchema,
        {
          orderId,
          lines: about.lines.map((line) => ({ sku: line.sku, quantity: BigInt(line.quantity) })),
          shippingMethod: order.shippingMethod,
          priority: order.priority,
          customerId: order.customerId,
          ...(order.shippingAddress ? { shippingAddress: order.shippingAddress } : {}),
        },
        envelope,
      );
    case "shipped":
      return outgoing(
        OrderShippedSchema,
        { orderId, trackingNumber: progress.trackingNumber, isSplit: progress.parcels.length > 1 },
        envelope,
      );
    case "delivered":
      return outgoing(OrderDeliveredSchema, { orderId }, envelope);
    case "returned":
      return outgoing(OrderReturnedSchema, { orderId, returnTime: timestampFromDate(about.time) }, envelope);
    case "cancelled":
      return outgoing(
        OrderCancelledSchema,
        {
          orderId,
          reason: progress.cancelReason,
          detail: progress.cancelDetail,
          cancelTime: timestampFromDate(about.time),
        },
        envelope,
      );
  }
}

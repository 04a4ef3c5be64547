// Orders as the contract shows them.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import {
  FraudStatus,
  InventoryStatus,
  OrderPriority,
  OrderSchema,
  OrderState,
  PaymentStatus,
  ShipmentStatus,
  type Order,
  type OrderParcelSchema,
  type TimelineEntrySchema,
} from "#gen/ordermesh/orders/v1/order_pb.ts";
import type { TaxSchema } from "#gen/ordermesh/orders/v1/tax_pb.ts";
import { ShipmentState, ShippingMethod } from "#gen/ordermesh/shipping/v1/shipment_pb.ts";
import { OrderChangeState } from "#gen/ordermesh/orders/v1/order_change_pb.ts";
import type { ChangeState } from "../domain/change-saga.ts";
import type * as domain from "../domain/order.ts";
import type { Tax } from "../domain/tax.ts";
import type { OrderRow, TimelineRow } from "../store/read.ts";
import type { PriorityName, ShippingMethodName } from "../store/tables.ts";

export const stateMessages: Record<domain.OrderState, OrderState> = {
  scheduled: OrderState.SCHEDULED,
  pending: OrderState.PENDING,
  pending_shipment: OrderState.PENDING_SHIPMENT,
  partially_shipped: OrderState.PARTIALLY_SHIPPED,
  shipped: OrderState.SHIPPED,
  delivered: OrderState.DELIVERED,
  returned: OrderState.RETURNED,
  cancelled: OrderState.CANCELLED,
};

const inventoryMessages: Record<domain.InventoryStatus, InventoryStatus> = {
  pending: InventoryStatus.PENDING,
  reserved: InventoryStatus.RESERVED,
  insufficient: InventoryStatus.INSUFFICIENT,
  released: InventoryStatus.RELEASED,
};

const fraudMessages: Record<domain.FraudStatus, FraudStatus> = {
  pending: FraudStatus.PENDING,
  review: FraudStatus.REVIEW,
  cleared: FraudStatus.CLEARED,
  rejected: FraudStatus.REJECTED,
};

const paymentMessages: Record<domain.PaymentStatus, PaymentStatus> = {
  pending: PaymentStatus.PENDING,
  action_required: PaymentStatus.ACTION_REQUIRED,
  declined: PaymentStatus.DECLINED,
  authorized: PaymentStatus.AUTHORIZED,
  captured: PaymentStatus.CAPTURED,
  voided: PaymentStatus.VOIDED,
  refunded: PaymentStatus.REFUNDED,
};

const shipmentMessages: Record<domain.ShipmentStatus, ShipmentStatus> = {
  pending: ShipmentStatus.PENDING,
  created: ShipmentStatus.CREATED,
  partially_dispatched: ShipmentStatus.PARTIALLY_DISPATCHED,
  dispatched: ShipmentStatus.DISPATCHED,
  delivery_failed: ShipmentStatus.DELIVERY_FAILED,
  delivered: ShipmentStatus.DELIVERED,
  returned: ShipmentStatus.RETURNED,
  stopped: ShipmentStatus.STOPPED,
};

export const changeStateMessages: Record<ChangeState, OrderChangeState> = {
  requested: OrderChangeState.REQUESTED,
  applied: OrderChangeState.APPLIED,
  refused: OrderChangeState.REFUSED,
};

export const methodMessages: Record<ShippingMethodName, ShippingMethod> = {
  STANDARD: ShippingMethod.STANDARD,
  EXPRESS: ShippingMethod.EXPRESS,
};

const priorityMessages: Record<PriorityName, OrderPriority> = {
  NORMAL: OrderPriority.NORMAL,
  RUSH: OrderPriority.RUSH,
};

export function timelineMessage(row: TimelineRow): MessageInitShape<typeof TimelineEntrySchema> {
  return {
    sequence: BigInt(row.sequence),
    state: stateMessages[row.state],
    time: timestampFromDate(row.time),
    reason: row.reason,
  };
}

export const taxMessage = ({ amount, ...tax }: Tax, currencyCode: string): MessageInitShape<typeof TaxSchema> => ({
  ...tax,
  amount: { currencyCode, minorUnits: BigInt(amount) },
});

/** All tax, and the part on top; nothing where nothing was taxed. */
export function taxMessages(
  { items, shippingTax, taxAdded }: { items: readonly { tax?: Tax | null }[]; shippingTax: Tax | null; taxAdded: number },
  currencyCode: string,
): Pick<MessageInitShape<typeof OrderSchema>, "tax" | "taxAdded"> {
  const amounts = [...items.map(({ tax }) => tax), shippingTax].flatMap((tax) => (tax ? [tax.amount] : []));
  if (amounts.length === 0) return {};
  const money = (minorUnits: number) => ({ currencyCode, minorUnits: BigInt(minorUnits) });
  return { tax: money(amounts.reduce((sum, amount) => sum + amount, 0)), taxAdded: money(taxAdded) };
}

const parcelMessage = ({
  shipmentId,
  state,
  trackingNumber,
  lines,
}: domain.OrderParcel): MessageInitShape<typeof OrderParcelSchema> => ({
  shipmentId,
  state: ShipmentState[state],
  trackingNumber,
  lines: lines.map(({ sku, quantity }) => ({ sku, quantity: BigInt(quantity) })),
});

export function orderMessage(row: OrderRow): Order {
  const money = (minorUnits: number): { currencyCode: string; minorUnits: bigint } => ({
    currencyCode: row.currency_code,
    minorUnits: BigInt(minorUnits),
  });
  return create(OrderSchema, {
    orderId: row.order_id,
    customerId: row.customer_id,
    state: stateMessages[row.state],
    items: row.items.map((item) => ({
      sku: item.sku,
      title: item.title,
      quantity: BigInt(item.quantity),
      unitPrice: money(item.unit_price),
      lineTotal: money(item.unit_price * item.quantity),
      ...(item.tax && { tax: taxMessage(item.tax, row.currency_code) }),
    })),
    subtotal: money(row.subtotal),
    shippingCost: money(row.shipping_cost),
    total: money(row.total),
    ...taxMessages({ items: row.items, shippingTax: row.shipping_tax, taxAdded: row.tax_added }, row.currency_code),
    ...(row.shipping_tax && { shippingTax: taxMessage(row.shipping_tax, row.currency_code) }),
    shippingMethod: methodMessages[row.shipping_method],
    ...(row.shipping_address ? { shippingAddress: row.shipping_address } : {}),
    services: {
      inventory: inventoryMessages[row.services.inventory_status],
      fraud: fraudMessages[row.services.fraud_status],
      payment: paymentMessages[row.services.payment_status],
      shipment: shipmentMessages[row.services.shipment_status],
    },
    timeline: row.timeline.map(timelineMessage),
    trackingNumber: row.tracking_number,
    cancelReason: row.cancel_reason,
    cancelDetail: row.cancel_detail,
    ...(isReleased(row) ? { expireTime: timestampFromDate(row.expire_time) } : {}),
    createTime: timestampFromDate(row.create_time),
    updateTime: timestampFromDate(row.update_time),
    etag: `"${row.version}"`,
    priority: priorityMessages[row.priority],
    ...(row.process_after ? { processAfter: timestampFromDate(row.process_after) } : {}),
    note: row.note,
    exchangeOfReturnId: row.exchange_of_return_id,
    parcels: row.services.parcels.map(parcelMessage),
    ...(row.last_change_state === ""
      ? {}
      : {
          lastChange: {
            changeId: row.last_change_id,
            state: changeStateMessages[row.last_change_state],
            reason: row.last_change_reason,
          },
        }),
  });
}

/** Its time counts from then. */
const isReleased = ({ timeline }: OrderRow): boolean => timeline.some(({ state }) => state === "pending");

/** An order as it was answered when it was placed, whatever has become of it since: a repeat gets the first answer. */
export function asPlaced(row: OrderRow): OrderRow {
  return {
    ...row,
    state: row.timeline[0]?.state ?? row.state,
    services: {
      inventory_status: "pending",
      fraud_status: "pending",
      payment_status: "pending",
      shipment_status: "pending",
      parcels: [],
    },
    timeline: row.timeline.slice(0, 1),
    last_change_id: "",
    last_change_state: "",
    last_change_reason: "",
    tracking_number: "",
    cancel_reason: "",
    cancel_detail: "",
    update_time: row.create_time,
    version: 1,
  };
}

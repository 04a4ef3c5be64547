// Raises older shapes of OrderCreated to the newest, so that handlers know one shape only.
import { create } from "@bufbuild/protobuf";
import type { OrderCreated as OrderCreatedV1 } from "#gen/ordermesh/orders/events/v1/order_created_pb.ts";
import { OrderCreatedSchema, type OrderCreated } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";

/** v1 knew no shipping: its total is the sum of its lines, and sending cost nothing. */
export function raiseOrderCreatedV1(old: OrderCreatedV1): OrderCreated {
  const { currencyCode } = old;
  const money = (minorUnits: bigint): { currencyCode: string; minorUnits: bigint } => ({ currencyCode, minorUnits });
  return create(OrderCreatedSchema, {
    orderId: old.orderId,
    buyer: {
      customerId: old.customerId,
      paymentMethodBin: old.paymentMethodBin,
      deviceFingerprint: old.deviceFingerprint,
    },
    lines: old.lines.map((line) => ({ sku: line.sku, quantity: line.quantity, unitPrice: money(line.unitPriceMinorUnits) })),
    subtotal: money(old.totalMinorUnits),
    shippingCost: money(0n),
    total: money(old.totalMinorUnits),
    ...(old.createTime ? { createTime: old.createTime } : {}),
    ...(old.expireTime ? { expireTime: old.expireTime } : {}),
  });
}

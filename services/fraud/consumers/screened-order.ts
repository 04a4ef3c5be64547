// What of an order that was created screening looks at, in the forms in which it is compared.
import { createHash } from "node:crypto";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { OrderCreated } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import type { Address } from "#gen/ordermesh/type/v1/address_pb.ts";
import { RefusedEvent, type ReceivedEvent } from "#runtime/events/hearing.ts";
import { addressForm, emailForm, postalCodeForm, type ScreenedOrder } from "../domain/order.ts";

export function screenedOrder({ tenant, time, message }: ReceivedEvent<OrderCreated>): ScreenedOrder {
  const { orderId, buyer, total, createTime, expireTime, lines, shippingAddress } = message;
  if (!total) throw new RefusedEvent("ORDER_WITHOUT_TOTAL", `order ${orderId} has no total`);
  return {
    tenant,
    orderId,
    customerId: buyer?.customerId ?? "",
    cardBin: buyer?.paymentMethodBin ?? "",
    deviceFingerprint: buyer?.deviceFingerprint ?? "",
    email: emailForm(buyer?.email ?? ""),
    countryCode: shippingAddress?.countryCode ?? "",
    postalCode: postalCodeForm(shippingAddress?.postalCode ?? ""),
    addressHash: shippingAddress ? hashOf(shippingAddress) : "",
    units: lines.reduce((sum, { quantity }) => sum + Number(quantity), 0),
    lines: lines.length,
    total: { currencyCode: total.currencyCode, minorUnits: Number(total.minorUnits) },
    placeTime: createTime ? timestampDate(createTime) : time,
    expireTime: expireTime ? timestampDate(expireTime) : null,
  };
}

/** Rules and lists name an address by it, so that they do not have to keep the address itself. */
const hashOf = (address: Address): string => createHash("sha256").update(addressForm(address)).digest("hex");

// Which events other programs may be told of, and what of them.
import { clone, hasOption, type DescFile, type DescMessage, type JsonObject, type Message } from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import { file_ordermesh_catalog_events_v1_catalog_events } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { file_ordermesh_customers_events_v1_customers_events } from "#gen/ordermesh/customers/events/v1/customers_events_pb.ts";
import { file_ordermesh_fraud_events_v1_fraud_events } from "#gen/ordermesh/fraud/events/v1/fraud_events_pb.ts";
import { file_ordermesh_inventory_events_v1_inventory_events } from "#gen/ordermesh/inventory/events/v1/inventory_events_pb.ts";
import { file_ordermesh_notifications_events_v1_notifications_events } from "#gen/ordermesh/notifications/events/v1/notifications_events_pb.ts";
import { event as eventOption } from "#gen/ordermesh/options/v1/options_pb.ts";
import { file_ordermesh_orders_events_v1_order_changed } from "#gen/ordermesh/orders/events/v1/order_changed_pb.ts";
import {
  file_ordermesh_orders_events_v1_order_events,
  OrderPaymentDueSchema,
} from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { file_ordermesh_orders_events_v2_order_created } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { file_ordermesh_payments_events_v1_payments_events } from "#gen/ordermesh/payments/events/v1/payments_events_pb.ts";
import { file_ordermesh_shipping_events_v1_shipping_events } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { AddressSchema } from "#gen/ordermesh/type/v1/address_pb.ts";
import { shown } from "#runtime/audit-log/shown.ts";

/**
 * The newest version of each event that is about a shop's business. What identity, operations and the audit logs tell each other is
 * about the installation.
 */
const files: readonly DescFile[] = [
  file_ordermesh_catalog_events_v1_catalog_events,
  file_ordermesh_customers_events_v1_customers_events,
  file_ordermesh_fraud_events_v1_fraud_events,
  file_ordermesh_inventory_events_v1_inventory_events,
  file_ordermesh_notifications_events_v1_notifications_events,
  file_ordermesh_orders_events_v1_order_changed,
  file_ordermesh_orders_events_v1_order_events,
  file_ordermesh_orders_events_v2_order_created,
  file_ordermesh_payments_events_v1_payments_events,
  file_ordermesh_shipping_events_v1_shipping_events,
];

/** Tells payments what to do, by a token that pays. */
const internal: ReadonlySet<DescMessage> = new Set([OrderPaymentDueSchema]);

export const publicEvents: readonly DescMessage[] = files
  .flatMap((file) => file.messages)
  .filter((message) => hasOption(message, eventOption) && !internal.has(message));

export const publicEventTypes: readonly string[] = publicEvents.map(({ typeName }) => typeName).toSorted();

/** What identifies a person, beside addresses and what the contracts mark with debug_redact. */
const personalFields: ReadonlySet<string> = new Set([
  "ordermesh.orders.events.v2.Buyer.payment_method_bin",
  "ordermesh.orders.events.v2.Buyer.device_fingerprint",
  "ordermesh.orders.events.v1.OrderCancelled.detail",
  "ordermesh.shipping.events.v1.ShipmentStopped.reason",
  "ordermesh.fraud.events.v1.FraudReviewRequired.explanations",
  "ordermesh.fraud.events.v1.FraudRejected.explanations",
]);

/** The event as JSON by its contract, without what identifies a person or pays. */
export function publicJson(desc: DescMessage, message: Message): JsonObject {
  const copy = clone(desc, message);
  leaveOut(reflect(desc, copy));
  return shown(desc, copy);
}

function leaveOut(message: ReflectMessage): void {
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    const isAddress = field.message?.typeName === AddressSchema.typeName;
    if (isAddress || personalFields.has(`${field.parent.typeName}.${field.name}`)) message.clear(field);
    else if (field.fieldKind === "message") leaveOut(message.get(field));
    else if (field.fieldKind === "list" && field.listKind === "message") {
      for (const item of message.get(field)) leaveOut(item as ReflectMessage);
    }
  }
}

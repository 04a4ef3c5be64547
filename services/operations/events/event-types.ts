// Every event there is, in every version, so that letters can be read by their contracts.
import type { DescFile, DescMessage } from "@bufbuild/protobuf";
import { file_ordermesh_auditlog_events_v1_auditlog_events } from "#gen/ordermesh/auditlog/events/v1/auditlog_events_pb.ts";
import { file_ordermesh_catalog_events_v1_catalog_events } from "#gen/ordermesh/catalog/events/v1/catalog_events_pb.ts";
import { file_ordermesh_customers_events_v1_customers_events } from "#gen/ordermesh/customers/events/v1/customers_events_pb.ts";
import { file_ordermesh_fraud_events_v1_fraud_events } from "#gen/ordermesh/fraud/events/v1/fraud_events_pb.ts";
import { file_ordermesh_identity_events_v1_identity_events } from "#gen/ordermesh/identity/events/v1/identity_events_pb.ts";
import { file_ordermesh_inventory_events_v1_inventory_events } from "#gen/ordermesh/inventory/events/v1/inventory_events_pb.ts";
import { file_ordermesh_media_events_v1_media_events } from "#gen/ordermesh/media/events/v1/media_events_pb.ts";
import { file_ordermesh_notifications_events_v1_notifications_events } from "#gen/ordermesh/notifications/events/v1/notifications_events_pb.ts";
import { file_ordermesh_operations_events_v1_operations_events } from "#gen/ordermesh/operations/events/v1/operations_events_pb.ts";
import { file_ordermesh_orders_events_v1_order_changed } from "#gen/ordermesh/orders/events/v1/order_changed_pb.ts";
import { file_ordermesh_orders_events_v1_order_created } from "#gen/ordermesh/orders/events/v1/order_created_pb.ts";
import { file_ordermesh_orders_events_v1_order_events } from "#gen/ordermesh/orders/events/v1/order_events_pb.ts";
import { file_ordermesh_orders_events_v1_return_events } from "#gen/ordermesh/orders/events/v1/return_events_pb.ts";
import { file_ordermesh_orders_events_v2_order_created } from "#gen/ordermesh/orders/events/v2/order_created_pb.ts";
import { file_ordermesh_payments_events_v1_payments_events } from "#gen/ordermesh/payments/events/v1/payments_events_pb.ts";
import { file_ordermesh_shipping_events_v1_shipping_events } from "#gen/ordermesh/shipping/events/v1/shipping_events_pb.ts";
import { event as eventOption } from "#gen/ordermesh/options/v1/options_pb.ts";
import { hasOption } from "@bufbuild/protobuf";

const files: readonly DescFile[] = [
  file_ordermesh_auditlog_events_v1_auditlog_events,
  file_ordermesh_catalog_events_v1_catalog_events,
  file_ordermesh_customers_events_v1_customers_events,
  file_ordermesh_fraud_events_v1_fraud_events,
  file_ordermesh_identity_events_v1_identity_events,
  file_ordermesh_inventory_events_v1_inventory_events,
  file_ordermesh_media_events_v1_media_events,
  file_ordermesh_notifications_events_v1_notifications_events,
  file_ordermesh_operations_events_v1_operations_events,
  file_ordermesh_orders_events_v1_order_changed,
  file_ordermesh_orders_events_v1_order_created,
  file_ordermesh_orders_events_v1_order_events,
  file_ordermesh_orders_events_v1_return_events,
  file_ordermesh_orders_events_v2_order_created,
  file_ordermesh_payments_events_v1_payments_events,
  file_ordermesh_shipping_events_v1_shipping_events,
];

// Messages that are only parts of events have no event option.
const byName = new Map<string, DescMessage>(
  files.flatMap((file) =>
    file.messages.filter((message) => hasOption(message, eventOption)).map((message) => [message.typeName, message] as const),
  ),
);

export const findEventType = (typeName: string): DescMessage | undefined => byName.get(typeName);

/** Full names of all events. */
export const eventTypeNames = (): string[] => [...byName.keys()];

/** The package of what every service sends for itself. */
const sharedPackage = "auditlog";

/** Services that send events. */
export const sendingServices: readonly string[] = [
  ...new Set([...byName.keys()].map((typeName) => typeName.split(".")[1] ?? "").filter((name) => name !== sharedPackage)),
];

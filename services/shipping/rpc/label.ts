// GetShipmentLabel: what is stuck on the parcel.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { Kysely } from "kysely";
import type { GetShipmentLabelResponseSchema } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { drawLabel } from "../carrier/label.ts";
import { findShipment, type Tables } from "../store/shipments.ts";
import { shipmentNotFound } from "./shipment-message.ts";

export async function getLabel(
  db: Kysely<Tables>,
  orderId: string,
  shipFrom: (tenant: string) => readonly string[],
): Promise<MessageInitShape<typeof GetShipmentLabelResponseSchema>> {
  const { tenant } = currentRequest();
  const shipment = await findShipment(db, { tenant, orderId });
  if (!shipment) throw shipmentNotFound(orderId);
  if (shipment.state === "STOPPED") {
    throw refuse(Code.FailedPrecondition, "SHIPMENT_STOPPED", `the parcel of order ${orderId} is not to leave`, { orderId });
  }
  const { shipmentId, method, carrier, trackingNumber, address, createTime } = shipment;
  const from = shipFrom(tenant);
  const content = { orderId, shipmentId, method: method ?? "STANDARD", carrier, trackingNumber, address, from, createTime };
  return { label: { contentType: "application/pdf", data: await drawLabel(content) } };
}

// GetShipmentLabel: what is stuck on the parcel. The carrier's own label comes first, where it has given one.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { Kysely } from "kysely";
import type { GetShipmentLabelResponseSchema } from "#gen/ordermesh/shipping/v1/shipping_service_pb.ts";
import { refuse } from "#runtime/errors.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { drawLabel } from "../carrier/label.ts";
import type { Tables } from "../store/shipments.ts";
import { isUnbooked } from "../domain/shipment.ts";
import { readLabel } from "../store/bookings.ts";
import { readParcel, type WhichParcel } from "./read-parcel.ts";
import { shipmentNotBooked } from "./shipment-message.ts";

export async function getLabel(
  db: Kysely<Tables>,
  which: WhichParcel,
  shipFrom: (tenant: string) => readonly string[],
): Promise<MessageInitShape<typeof GetShipmentLabelResponseSchema>> {
  const { tenant } = currentRequest();
  const shipment = await readParcel(db, which);
  if (shipment.state === "STOPPED") {
    const { orderId } = shipment;
    throw refuse(Code.FailedPrecondition, "SHIPMENT_STOPPED", `the parcel of order ${orderId} is not to leave`, { orderId });
  }
  if (isUnbooked(shipment)) throw shipmentNotBooked(shipment.orderId);
  const given = await readLabel(db, shipment);
  if (given) return { label: { contentType: "application/pdf", data: given } };
  const { orderId, shipmentId, method, carrier, trackingNumber, address, createTime } = shipment;
  const from = shipFrom(tenant);
  const content = { orderId, shipmentId, method: method ?? "STANDARD", carrier, trackingNumber, address, from, createTime };
  return { label: { contentType: "application/pdf", data: await drawLabel(content) } };
}

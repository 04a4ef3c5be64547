// Which of an order's parcels somebody asks for: the first one, or one that is named.
import type { Kysely } from "kysely";
import { currentRequest } from "#runtime/request-context.ts";
import type { Shipment } from "../domain/shipment.ts";
import { findParcels, type Tables } from "../store/shipments.ts";
import { shipmentNotFound } from "./shipment-message.ts";

export interface WhichParcel {
  orderId: string;
  /** Empty for the first one. */
  shipmentId: string;
}

/** Undefined where there is none of the name. */
export const chosen = (parcels: readonly Shipment[], { shipmentId }: Pick<WhichParcel, "shipmentId">): Shipment | undefined =>
  shipmentId === "" ? parcels[0] : parcels.find((parcel) => parcel.shipmentId === shipmentId);

/** @throws ConnectError where the order has no such parcel. */
export async function readParcel(db: Kysely<Tables>, which: WhichParcel): Promise<Shipment> {
  const { orderId } = which;
  const shipment = chosen(await findParcels(db, { tenant: currentRequest().tenant, orderId }), which);
  if (!shipment) throw shipmentNotFound(orderId);
  return shipment;
}

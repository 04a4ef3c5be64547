// What a change of its order makes of a parcel.
import type { Address, Line, Shipment, ShippingMethod } from "./shipment.ts";

export interface Contents {
  lines: Line[];
  address: Address | null;
  method: ShippingMethod;
}

export type ContentsOutcome =
  | { kind: "changed"; shipment: Shipment }
  /** It is made later, or never will be. */
  | { kind: "no_parcel" }
  | { kind: "too_late" };

/** The number is the shipment's, whoever carries it, so that one that was told stays true. */
export function changeContents(
  shipment: Shipment | undefined,
  contents: Contents,
  carrierOf: (method: ShippingMethod) => { name: string; trackingNumber(shipmentId: string): string },
): ContentsOutcome {
  switch (shipment?.state) {
    case undefined:
    case "STOPPED":
      return { kind: "no_parcel" };
    case "CREATED": {
      const carrier = carrierOf(contents.method);
      const label = { carrier: carrier.name, trackingNumber: carrier.trackingNumber(shipment.shipmentId) };
      return { kind: "changed", shipment: { ...shipment, ...contents, ...label } };
    }
    case "DISPATCHED":
    case "DELIVERY_FAILED":
    case "DELIVERED":
    case "RETURNED":
      return { kind: "too_late" };
  }
}

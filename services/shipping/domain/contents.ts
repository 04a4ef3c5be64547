// What a change of its order makes of a parcel.
import { labelBy, type Numbering } from "./booking.ts";
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

/** What is in a parcel, where it goes and how: its carrier was told of no more. */
const partsOf = ({ lines, address, method }: Contents | Shipment): string =>
  JSON.stringify([lines.map(({ sku, quantity }) => [sku, quantity]), address && addressParts(address), method]);

const addressParts = ({ recipient, lines, city, postalCode, region, countryCode }: Address): unknown[] => [
  recipient,
  lines,
  city,
  postalCode,
  region,
  countryCode,
];

/**
 * A number that comes of arithmetic is the shipment's, whoever carries it, so that one that was told stays true. What was booked at a
 * carrier is booked anew, unless nothing of it has changed.
 */
export function changeContents(
  shipment: Shipment | undefined,
  contents: Contents,
  carrierOf: (method: ShippingMethod) => Numbering,
): ContentsOutcome {
  switch (shipment?.state) {
    case undefined:
    case "STOPPED":
      return { kind: "no_parcel" };
    case "CREATED": {
      const carrier = carrierOf(contents.method);
      const isSame = carrier.name === shipment.carrier && partsOf(contents) === partsOf(shipment);
      return { kind: "changed", shipment: { ...shipment, ...contents, ...(isSame ? {} : labelBy(carrier, shipment)) } };
    }
    case "DISPATCHED":
    case "DELIVERY_FAILED":
    case "DELIVERED":
    case "RETURNED":
      return { kind: "too_late" };
  }
}

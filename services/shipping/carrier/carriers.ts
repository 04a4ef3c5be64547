// The carriers that there are. The sandbox keeps no depot: it labels by arithmetic and moves by the clock.
import { createHash } from "node:crypto";
import type { Pace, ShippingMethod } from "../domain/shipment.ts";
import type { Carrier, Carriers } from "./contract.ts";
import { messageReader, type Secrets } from "./webhook.ts";

export const carrierNames = ["sandbox", "external"] as const;
export type CarrierName = (typeof carrierNames)[number];

export interface CarrierSettings {
  byMethod: Readonly<Record<ShippingMethod, CarrierName>>;
  pace: Pace;
  secrets: Secrets;
}

/** The sandbox moves parcels by the clock; the external carrier is whoever reads our labels and reports by messages. */
export function createCarriers({ byMethod, pace, secrets }: CarrierSettings): Carriers {
  const carrier = (name: CarrierName): Carrier => ({
    name,
    trackingNumber,
    pace: name === "sandbox" ? pace : undefined,
    readMessage: messageReader(name, secrets),
  });
  const carriers = { sandbox: carrier("sandbox"), external: carrier("external") };
  const known = new Map<string, Carrier>(Object.entries(carriers));
  return { forMethod: (method) => carriers[byMethod[method]], named: (name) => known.get(name) };
}

/** An 18-digit number in the form of GS1's serial shipping container code, out of the shipment's id. */
export function trackingNumber(shipmentId: string): string {
  const digits = serialDigits(shipmentId);
  return `${digits}${checkDigit(digits)}`;
}

/** 17 digits, as in a GS1 serial shipping container code without its check digit. */
function serialDigits(shipmentId: string): string {
  const hash = createHash("sha256").update(shipmentId).digest().readBigUInt64BE(0);
  return (hash % 10n ** 17n).toString().padStart(17, "0");
}

/** GS1's: from the right the digits weigh 3, 1, 3 and so on; the check digit fills the sum up to a multiple of ten. */
export function checkDigit(digits: string): string {
  const sum = digits
    .split("")
    .toReversed()
    .reduce((total, digit, index) => total + Number(digit) * (index % 2 === 0 ? 3 : 1), 0);
  return String((10 - (sum % 10)) % 10);
}

// The carriers that there are. The sandbox keeps no depot: it labels by arithmetic and moves by the clock.
import { createHash } from "node:crypto";
import type { Pace, ShippingMethod } from "../domain/shipment.ts";
import { checkDigit } from "./check-digit.ts";
import type { Carrier, Carriers } from "./contract.ts";
import { httpDesk, type DeskSettings } from "./http-desk.ts";
import { messageReader, type Secrets } from "./webhook.ts";

/** Those that are always there; those that are called have names of their own. */
export const builtIn = ["sandbox", "external"] as const;

export interface CarrierSettings {
  /** Names of carriers that there are. */
  byMethod: Readonly<Record<ShippingMethod, string>>;
  pace: Pace;
  secrets: Secrets;
  /** By name of the carrier. */
  desks: ReadonlyMap<string, DeskSettings>;
}

/**
 * The sandbox moves parcels by the clock; the external carrier is whoever reads our labels and reports by messages; all others are called
 * for their numbers, and report by messages, too.
 */
export function createCarriers({ byMethod, pace, secrets, desks }: CarrierSettings): Carriers {
  const common = (name: string) => ({ name, readMessage: messageReader(name, secrets) });
  const known = new Map<string, Carrier>([
    ["sandbox", { ...common("sandbox"), trackingNumber, pace, desk: undefined }],
    ["external", { ...common("external"), trackingNumber, pace: undefined, desk: undefined }],
  ]);
  for (const [name, settings] of desks) {
    known.set(name, { ...common(name), trackingNumber: () => "", pace: undefined, desk: httpDesk(settings) });
  }
  return {
    forMethod: (method) => {
      const carrier = known.get(byMethod[method]);
      if (!carrier) throw new Error(`there is no carrier "${byMethod[method]}"`);
      return carrier;
    },
    named: (name) => known.get(name),
  };
}

/** An 18-digit number in the form of GS1's serial shipping container code, out of the shipment's id. */
function trackingNumber(shipmentId: string): string {
  const digits = serialDigits(shipmentId);
  return `${digits}${checkDigit(digits)}`;
}

/** 17 digits, as in a GS1 serial shipping container code without its check digit. */
function serialDigits(shipmentId: string): string {
  const hash = createHash("sha256").update(shipmentId).digest().readBigUInt64BE(0);
  return (hash % 10n ** 17n).toString().padStart(17, "0");
}

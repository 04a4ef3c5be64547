// Who carries parcels. The sandbox keeps no depot: it labels by arithmetic and moves by the clock.
import { createHash } from "node:crypto";

/**
 * What shipping needs of a carrier. It is asked inside transactions, so it answers from what it knows and calls nobody;
 * a carrier that must be called belongs into the preparation of due work.
 */
export interface Carrier {
  name: string;
  /** The same for the same shipment, always. */
  trackingNumber(shipmentId: string): string;
  /** From the label until a parcel leaves. */
  dispatchMs: number;
  /** From there until it arrives. */
  deliverMs: number;
}

export function sandboxCarrier({ dispatchMs, deliverMs }: { dispatchMs: number; deliverMs: number }): Carrier {
  return {
    name: "sandbox",
    trackingNumber: (shipmentId) => {
      const digits = serialDigits(shipmentId);
      return `${digits}${checkDigit(digits)}`;
    },
    dispatchMs,
    deliverMs,
  };
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

// What it costs to send a parcel.
import type { ShippingMethod } from "./shipment.ts";

export type Zone = "domestic" | "international";

/** The price of one method in one currency and zone. Minor units. */
export interface RateRule {
  method: ShippingMethod;
  currencyCode: string;
  /** The first unit. */
  baseMinorUnits: number;
  /** Every further unit, until the price reaches the most. */
  unitMinorUnits: number;
  maxMinorUnits: number;
}

export interface Rate {
  method: ShippingMethod;
  cost: { currencyCode: string; minorUnits: number };
}

/** An address without a country is in the shop's own. */
export function zoneOf(countryCode: string, shopCountryCode: string): Zone {
  return countryCode === "" || countryCode === shopCountryCode ? "domestic" : "international";
}

/** One rate for each rule, the cheapest first. */
export function quote(rules: readonly RateRule[], units: number): Rate[] {
  return rules
    .map(({ method, currencyCode, baseMinorUnits, unitMinorUnits, maxMinorUnits }) => ({
      method,
      cost: { currencyCode, minorUnits: Math.min(baseMinorUnits + unitMinorUnits * (units - 1), maxMinorUnits) },
    }))
    .toSorted((one, other) => one.cost.minorUnits - other.cost.minorUnits || byName(one.method, other.method));
}

// Two methods of one price always come in the same order; standard is the plainer offer.
const byName = (one: ShippingMethod, other: ShippingMethod): number => (one === other ? 0 : one === "STANDARD" ? -1 : 1);

// What a new shop asks for a parcel until it has rates of its own. The first migration has given the same to the shop "demo".
import type { ZoneRate } from "./rates.ts";
import type { ShippingMethod } from "./shipment.ts";

/** Minor units: of the first unit, of every further one, and the most. */
type Amounts = readonly [base: number, unit: number, max: number];

const rate = (method: ShippingMethod, currencyCode: string, zone: "domestic" | "international", amounts: Amounts): ZoneRate => {
  const [baseMinorUnits, unitMinorUnits, maxMinorUnits] = amounts;
  return { method, currencyCode, zone, baseMinorUnits, unitMinorUnits, maxMinorUnits, steps: [] };
};

export const defaultRates: readonly ZoneRate[] = [
  rate("STANDARD", "USD", "domestic", [499, 50, 4_999]),
  rate("EXPRESS", "USD", "domestic", [1_499, 100, 9_999]),
  rate("STANDARD", "USD", "international", [1_499, 150, 14_999]),
  rate("EXPRESS", "USD", "international", [3_999, 300, 29_999]),
  rate("STANDARD", "EUR", "domestic", [499, 50, 4_999]),
  rate("EXPRESS", "EUR", "domestic", [1_499, 100, 9_999]),
  rate("STANDARD", "EUR", "international", [1_499, 150, 14_999]),
  rate("EXPRESS", "EUR", "international", [3_999, 300, 29_999]),
  rate("STANDARD", "GBP", "domestic", [399, 40, 3_999]),
  rate("EXPRESS", "GBP", "domestic", [1_299, 80, 7_999]),
  rate("STANDARD", "GBP", "international", [1_299, 120, 11_999]),
  rate("EXPRESS", "GBP", "international", [3_499, 250, 24_999]),
  rate("STANDARD", "JPY", "domestic", [700, 70, 7_000]),
  rate("EXPRESS", "JPY", "domestic", [2_100, 140, 14_000]),
  rate("STANDARD", "JPY", "international", [2_100, 210, 21_000]),
  rate("EXPRESS", "JPY", "international", [5_600, 420, 42_000]),
];

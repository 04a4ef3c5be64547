// What it costs to send a parcel, and which rates a shop may have.
import type { ShippingMethod } from "./shipment.ts";

/** The zones that are always there: the shop's own country, and every country that is in no other zone. */
export const domesticZone = "domestic";
export const internationalZone = "international";

/** What parcels add that weigh from so much, included, to less than so much. Grams; null is without an end. Minor units. */
export interface WeightStep {
  fromGrams: number;
  toGrams: number | null;
  minorUnits: number;
}

/** The price of one method in one currency and zone. Minor units. */
export interface RateRule {
  method: ShippingMethod;
  currencyCode: string;
  /** The first unit. */
  baseMinorUnits: number;
  /** Every further unit, until the price reaches the most. */
  unitMinorUnits: number;
  maxMinorUnits: number;
  /** From 0 on and without a gap; weight costs nothing where there are none. */
  steps: readonly WeightStep[];
}

export interface ZoneRate extends RateRule {
  zone: string;
}

export interface Rate {
  method: ShippingMethod;
  cost: { currencyCode: string; minorUnits: number };
}

/** An address without a country is in the shop's own. */
export const isDomestic = (countryCode: string, shopCountryCode: string): boolean =>
  countryCode === "" || countryCode === shopCountryCode;

/** One rate for each rule that takes the weight, the cheapest first. A weight that is not known is 0. */
export function quote(rules: readonly RateRule[], { units, weightGrams }: { units: number; weightGrams: number }): Rate[] {
  return rules
    .flatMap(({ method, currencyCode, baseMinorUnits, unitMinorUnits, maxMinorUnits, steps }): Rate[] => {
      const added = costOfWeight(steps, weightGrams);
      if (added === undefined) return [];
      const minorUnits = Math.min(baseMinorUnits + unitMinorUnits * (units - 1), maxMinorUnits) + added;
      return [{ method, cost: { currencyCode, minorUnits } }];
    })
    .toSorted((one, other) => one.cost.minorUnits - other.cost.minorUnits || byName(one.method, other.method));
}

/** Undefined where the parcel is too heavy. */
function costOfWeight(steps: readonly WeightStep[], weightGrams: number): number | undefined {
  if (steps.length === 0) return 0;
  return steps.find(({ toGrams }) => toGrams === null || weightGrams < toGrams)?.minorUnits;
}

// Two methods of one price always come in the same order; standard is the plainer offer.
const byName = (one: ShippingMethod, other: ShippingMethod): number => (one === other ? 0 : one === "STANDARD" ? -1 : 1);

export interface RateFault {
  reason: "RATE_STEPS_GAP" | "RATE_STEPS_OVERLAP" | "RATE_MAX_BELOW_BASE";
  message: string;
}

/** Why a shop may not have such a rate; undefined where it may. */
export function faultOf({ baseMinorUnits, maxMinorUnits, steps }: RateRule): RateFault | undefined {
  if (maxMinorUnits < baseMinorUnits) {
    return { reason: "RATE_MAX_BELOW_BASE", message: "the most that units cost is less than the first unit" };
  }
  let end: number | null = 0;
  for (const { fromGrams, toGrams } of steps) {
    if (end === null || fromGrams < end || (toGrams !== null && toGrams <= fromGrams)) {
      return {
        reason: "RATE_STEPS_OVERLAP",
        message: `the step from ${fromGrams} grams does not begin where the one before it ends`,
      };
    }
    if (fromGrams > end) {
      return { reason: "RATE_STEPS_GAP", message: `no step has the weights from ${end} to ${fromGrams} grams` };
    }
    end = toGrams;
  }
  return undefined;
}

// What tax comes to. Whole minor units, rounded half up for each line and for the shipping cost, so that what is shown adds up.

/** Of goods that name no other, and of every class that has no rate where the order goes. */
export const standardClass = "STANDARD";
/** Of what sending costs. */
export const shippingClass = "SHIPPING";

export interface Destination {
  countryCode: string;
  /** As the address has it; may be empty. */
  region: string;
}

/** What goods of a class bear that go to a country, or to a region of it. */
export interface TaxRate {
  countryCode: string;
  /** In upper case; empty for the whole country. */
  region: string;
  taxClass: string;
  /** Hundredths of a percent. */
  rate: number;
  pricesInclude: boolean;
  name: string;
}

/** A tax as it is frozen. */
export interface Tax {
  /** Minor units. */
  amount: number;
  /** Hundredths of a percent. */
  rate: number;
  name: string;
  /** The price contains it; else it comes on top. */
  isIncluded: boolean;
}

export interface TaxedAmounts {
  /** Minor units of all units of each line. */
  lines: readonly { taxClass: string; amount: number }[];
  shippingCost: number;
}

/** Undefined where there is none. */
export interface OrderTaxes {
  /** In the order of the lines. */
  lines: (Tax | undefined)[];
  shipping: Tax | undefined;
}

/** By the rates of a shop. */
export function taxesByRates(
  rates: readonly TaxRate[],
  { destination, amounts }: { destination: Destination; amounts: TaxedAmounts },
): OrderTaxes {
  const tax = (taxClass: string, amount: number): Tax | undefined => {
    const rate = rateFor(rates, destination, taxClass);
    return rate && taxOf(amount, rate);
  };
  return {
    lines: amounts.lines.map(({ taxClass, amount }) => tax(taxClass, amount)),
    shipping: tax(shippingClass, amounts.shippingCost),
  };
}

/** That of the class goes before STANDARD's, and that of the region before the country's. */
export function rateFor(rates: readonly TaxRate[], destination: Destination, taxClass: string): TaxRate | undefined {
  const region = destination.region.trim().toUpperCase();
  const here = rates.filter((rate) => rate.countryCode === destination.countryCode);
  const find = (wantedClass: string, wantedRegion: string): TaxRate | undefined =>
    here.find((rate) => rate.taxClass === wantedClass && rate.region === wantedRegion);
  return find(taxClass, region) ?? find(taxClass, "") ?? find(standardClass, region) ?? find(standardClass, "");
}

const whole = 10_000n;

/** Undefined where nothing is paid; a rate of 0 is told, because somebody has said it. */
function taxOf(
  amount: number,
  { rate, name, pricesInclude: isIncluded }: Pick<TaxRate, "rate" | "name" | "pricesInclude">,
): Tax | undefined {
  if (amount === 0) return undefined;
  const part = BigInt(rate);
  // Of a price that contains it, the tax is what the price without it bears.
  const base = isIncluded ? whole + part : whole;
  return { amount: Number(halfUp(BigInt(amount) * part, base)), rate, name, isIncluded };
}

/** A frozen tax on another amount. */
export const atRateOf = ({ rate, name, isIncluded }: Tax, amount: number): Tax | undefined =>
  taxOf(amount, { rate, name, pricesInclude: isIncluded });

/** For numbers that are not below zero. */
const halfUp = (numerator: bigint, denominator: bigint): bigint => (2n * numerator + denominator) / (2n * denominator);

const sum = (taxes: readonly (Tax | undefined)[]): number => taxes.reduce((total, tax) => total + (tax?.amount ?? 0), 0);

/** All tax, and the part that comes on top. */
export function taxTotals({ lines, shipping }: OrderTaxes): { tax: number; taxAdded: number } {
  const all = [...lines, shipping];
  return { tax: sum(all), taxAdded: sum(all.filter((tax) => tax?.isIncluded === false)) };
}

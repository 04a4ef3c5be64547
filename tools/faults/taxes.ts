// What goods and sending bear in a run, and what that comes to: reckoned here apart from the program, by what docs/tax.md says.
import type { Sender } from "./command.ts";

export interface BenchTax {
  taxClass: string;
  /** Hundredths of a percent. */
  rate: number;
  /** The price contains it; else it comes on top. */
  isIncluded: boolean;
}

/** Of what sending costs, in every shop. */
export const sendingTax: BenchTax = { taxClass: "SHIPPING", rate: 1_900, isIncluded: false };

/** What comes on top of an amount, in whole minor units, rounded half up. */
export const onTopOf = (tax: BenchTax | undefined, amount: number): number =>
  tax && !tax.isIncluded ? Math.floor((2 * amount * tax.rate + 10_000) / 20_000) : 0;

/** Before anything is ordered: orders may know a shop's rates for half a minute. */
export async function putRates(sender: Sender, taxes: readonly BenchTax[]): Promise<void> {
  const rates = new Map([sendingTax, ...taxes].map((tax) => [tax.taxClass, tax]));
  for (const { taxClass, rate, isIncluded } of rates.values()) {
    const body = { rate, pricesInclude: isIncluded, name: "VAT" };
    const outcome = await sender.send({ method: "PUT", path: `/v1/tax-rates/DE/${taxClass}`, body });
    if (outcome.kind !== "accepted") throw new Error(`the rate of ${taxClass} was not taken: ${JSON.stringify(outcome)}`);
  }
}

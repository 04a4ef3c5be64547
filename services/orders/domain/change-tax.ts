// The tax of an order with a change: what stays bears the tax with which it was bought, what is added bears that of today. Where the
// order goes elsewhere all of it bears what is borne there.
import type { Content, Item } from "./change.ts";
import { atRateOf, taxTotals, type Destination, type OrderTaxes, type Tax, type TaxedAmounts } from "./tax.ts";

export interface TaxChange {
  before: Pick<Content<unknown, unknown>, "shippingTax">;
  /** Those that stay have the tax with which they were bought. */
  items: readonly Item[];
  shippingCost: number;
  /** The order is to go to another country or region. */
  isElsewhere: boolean;
  /** What sending costs is of today. */
  isShippingAnew: boolean;
}

type Region = Pick<Destination, "countryCode" | "region">;

export const isElsewhere = (before: Region | null, after: Region | null): boolean =>
  before?.countryCode !== after?.countryCode || before?.region !== after?.region;

const amountOf = ({ quantity, unitPrice }: Item): number => quantity * unitPrice;
const isOfToday = (item: Item, { isElsewhere }: Pick<TaxChange, "isElsewhere">): boolean => isElsewhere || item.tax === undefined;
const asksForShipping = ({ isElsewhere, isShippingAnew }: TaxChange): boolean => isElsewhere || isShippingAnew;

/** SKUs whose class of tax has to be known. */
export const skusToTax = (change: Pick<TaxChange, "items" | "isElsewhere">): string[] => [
  ...new Set(change.items.filter((item) => isOfToday(item, change)).map(({ sku }) => sku)),
];

/** What is to be asked for. */
export function amountsToTax(change: TaxChange, classOf: (sku: string) => string): TaxedAmounts {
  const lines = change.items.filter((item) => isOfToday(item, change));
  return {
    lines: lines.map((item) => ({ taxClass: classOf(item.sku), amount: amountOf(item) })),
    shippingCost: asksForShipping(change) ? change.shippingCost : 0,
  };
}

/** The lines with their tax, by what was answered. */
export function withTaxes(change: TaxChange, answered: OrderTaxes): { items: Item[]; shippingTax: Tax | null; taxAdded: number } {
  const ofToday = answered.lines.values();
  const items = change.items.map((item) => {
    if (isOfToday(item, change)) return { ...item, tax: ofToday.next().value ?? null };
    return { ...item, tax: (item.tax && atRateOf(item.tax, amountOf(item))) ?? null };
  });
  const shippingTax = asksForShipping(change) ? (answered.shipping ?? null) : change.before.shippingTax;
  const taxes = { lines: items.map(({ tax }) => tax ?? undefined), shipping: shippingTax ?? undefined };
  return { items, shippingTax, taxAdded: taxTotals(taxes).taxAdded };
}

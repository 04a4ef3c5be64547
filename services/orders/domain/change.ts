// What a change makes of an order, what it costs, and what speaks against it. Amounts are whole minor units.
import type { CancelReason, InventoryStatus, OrderState } from "./order.ts";
import type { Tax } from "./tax.ts";
import { totalMax, type Shortage, type WantedItem } from "./place.ts";

export interface Item {
  sku: string;
  title: string;
  quantity: number;
  unitPrice: number;
  /** With which it was bought, null where there was none; absent of what is added, until it is known. */
  tax?: Tax | null;
}

/** What of an order can be changed, and what it costs. */
export interface Content<Address, Method> {
  items: readonly Item[];
  subtotal: number;
  shippingCost: number;
  /** Null where there is none. */
  shippingTax: Tax | null;
  /** On top of subtotal and shipping cost. */
  taxAdded: number;
  total: number;
  shippingMethod: Method;
  shippingAddress: Address | null;
}

export interface Refusal {
  reason: string;
  message: string;
}

/** Lines of one order, at most; the same as in PlaceOrderRequest. */
export const itemsMax = 500;

export const subtotalOf = (items: readonly Item[]): number =>
  items.reduce((sum, { quantity, unitPrice }) => sum + quantity * unitPrice, 0);

/** Units of each SKU in all its lines together. */
export function unitsPerSku(items: readonly WantedItem[]): Map<string, number> {
  const units = new Map<string, number>();
  for (const { sku, quantity } of items) units.set(sku, (units.get(sku) ?? 0) + quantity);
  return units;
}

/** What is wanted in addition to what there is, of each SKU that is named. */
export function addedUnits(items: readonly Item[], wanted: readonly WantedItem[]): WantedItem[] {
  const units = unitsPerSku(items);
  return wanted.flatMap(({ sku, quantity }) => {
    const added = quantity - (units.get(sku) ?? 0);
    return added > 0 ? [{ sku, quantity: added }] : [];
  });
}

/**
 * The lines with other units. What stays keeps its price; what is added has the price of now, in a line of its own where that is
 * another. What was added last goes first. Every SKU of which more is wanted has a price.
 */
export function changedItems(
  items: readonly Item[],
  wanted: readonly WantedItem[],
  prices: ReadonlyMap<string, { title: string; unitPrice: number }>,
): Item[] {
  const left = items.map((item) => ({ ...item }));
  for (const { sku, quantity } of wanted) {
    let surplus = (unitsPerSku(left).get(sku) ?? 0) - quantity;
    for (const item of left.toReversed()) {
      if (item.sku !== sku || surplus <= 0) continue;
      const taken = Math.min(surplus, item.quantity);
      item.quantity -= taken;
      surplus -= taken;
    }
    if (surplus < 0) addUnits(left, { sku, quantity: -surplus }, prices.get(sku));
  }
  return left.filter(({ quantity }) => quantity > 0);
}

function addUnits(items: Item[], { sku, quantity }: WantedItem, price: { title: string; unitPrice: number } | undefined): void {
  if (!price) throw new Error(`no price for ${sku}`);
  const { title, unitPrice } = price;
  const same = items.find((item) => item.sku === sku && item.unitPrice === unitPrice && item.quantity > 0);
  if (same) same.quantity += quantity;
  else items.push({ sku, title, quantity, unitPrice });
}

/** What deciding about a change needs of an order. */
export interface ChangeableOrder {
  state: OrderState;
  inventory: InventoryStatus;
  cancelReason: CancelReason | "";
  paymentAsked: boolean;
  /** True where another change is under way. */
  isChanging: boolean;
  /** True where it leaves in several parcels. */
  isSplit: boolean;
  total: number;
  /** What it cost when others were told of it; null where that is the total. */
  askedTotal: number | null;
}

/** Whether an order can be changed at all as it is now; undefined where it can. */
export function stateRefusal(order: ChangeableOrder): Refusal | undefined {
  switch (order.state) {
    case "partially_shipped":
    case "shipped":
    case "delivered":
    case "returned":
      return { reason: "ORDER_ALREADY_DISPATCHED", message: "the parcel has left; ask for a return instead" };
    case "cancelled":
      return { reason: "ORDER_CANCELLED", message: "the order is cancelled; place a new one" };
    case "scheduled":
    case "pending":
    case "pending_shipment":
      break;
  }
  // What is in which parcel was decided by a person at the shelves.
  if (order.isSplit) return { reason: "ORDER_SPLIT", message: "it leaves in several parcels; cancel it, or ask for a return" };
  if (order.isChanging) return { reason: "CHANGE_UNDER_WAY", message: "another change is under way; try again when it is over" };
  if (order.state === "pending" && order.inventory !== "reserved") {
    return { reason: "ORDER_NOT_YET_RESERVED", message: "stock is being reserved for the order; try again in a moment" };
  }
  return undefined;
}

/** The most that the order may come to; undefined where nobody has judged or been asked for its total yet. */
export function ceilingOf({ state, total, askedTotal }: ChangeableOrder): number | undefined {
  return state === "scheduled" ? undefined : (askedTotal ?? total);
}

/** Why the order may not come to a total; undefined where it may. */
export function totalRefusal(order: ChangeableOrder, total: number): Refusal | undefined {
  if (total <= 0) return { reason: "TOTAL_NOT_POSITIVE", message: "the order would cost nothing; cancel it instead" };
  if (total > totalMax) return { reason: "TOTAL_TOO_LARGE", message: "the order would come to more than one order may" };
  const ceiling = ceilingOf(order);
  if (ceiling === undefined || total <= ceiling) return undefined;
  const instead = "place a second order for what is to be added";
  return order.paymentAsked
    ? { reason: "TOTAL_ABOVE_AUTHORIZED", message: `the order would cost more than was authorised; ${instead}` }
    : { reason: "TOTAL_ABOVE_SCREENED", message: `the order would cost more than was screened; ${instead}` };
}

/** Why the lines cannot be these; undefined where they can. */
export function linesRefusal(items: readonly Item[]): Refusal | undefined {
  if (items.length === 0) return { reason: "NO_LINES_LEFT", message: "nothing would be left; use CancelOrder" };
  if (items.length > itemsMax) return { reason: "TOO_MANY_LINES", message: `an order has at most ${itemsMax} lines` };
  return undefined;
}

/** Screening has looked at where the order goes. */
export function countryRefusal(
  { state }: Pick<ChangeableOrder, "state">,
  before: { countryCode: string } | null,
  after: { countryCode: string } | null,
): Refusal | undefined {
  if (state === "scheduled" || before?.countryCode === after?.countryCode) return undefined;
  const message = "it was screened for the country that it goes to; cancel the order and place a new one";
  return { reason: "COUNTRY_FIXED", message };
}

export function stockRefusal(shortages: readonly Shortage[]): Refusal | undefined {
  if (shortages.length === 0) return undefined;
  const list = shortages.map(({ sku, requested, available }) => `${sku} (${requested} more asked, ${available} available)`);
  return { reason: "STOCK_UNAVAILABLE", message: `not enough stock: ${list.join(", ")}; ask for less` };
}

/** Another cost of sending is asked for only where it may be another: the way, the country, or what is in the parcel. */
export function isSentOtherwise<Method>(
  before: Content<{ countryCode: string }, Method>,
  after: Pick<Content<{ countryCode: string }, Method>, "items" | "shippingAddress" | "shippingMethod">,
): boolean {
  const [one, other] = [unitsPerSku(before.items), unitsPerSku(after.items)];
  const isSame = one.size === other.size && [...one].every(([sku, units]) => other.get(sku) === units);
  return (
    !isSame ||
    before.shippingMethod !== after.shippingMethod ||
    before.shippingAddress?.countryCode !== after.shippingAddress?.countryCode
  );
}

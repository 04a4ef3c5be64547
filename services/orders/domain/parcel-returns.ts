// What the carrier has brought back of an order that left in several parcels.
import { unitsPerSku, type Item } from "./change.ts";
import type { OrderParcel } from "./order.ts";
import { refundOf, requestReturn, unitsLeft, type ReturnLine, type ReturnOfOrder } from "./returns.ts";

/**
 * What came back in parcels, as returns of which all was accepted. Where units of a SKU were bought at several prices, those that were
 * ordered first are in the first parcels, whichever comes back first.
 */
export function parcelReturns(items: readonly Item[], parcels: readonly OrderParcel[]): Map<string, ReturnOfOrder> {
  let left: Item[] = [...items];
  const returns = new Map<string, ReturnOfOrder>();
  for (const { shipmentId, state, lines } of parcels) {
    const wanted = [...unitsPerSku(lines)].map(([sku, quantity]) => ({ sku, quantity }));
    const outcome = requestReturn(left, wanted);
    if (outcome.kind === "refused") throw new Error(`parcel ${shipmentId} has more in it than was ordered: ${outcome.message}`);
    const all: ReturnLine[] = outcome.lines.map((line) => ({ ...line, accepted: line.quantity }));
    const back: ReturnOfOrder = { state: "received", lines: all, isShippingRefunded: false };
    left = unitsLeft(left, [back]);
    if (state === "RETURNED") returns.set(shipmentId, back);
  }
  return returns;
}

/** What is in a parcel that came back, at the price at which it was bought, with its tax on top; what sending has cost stays. */
export function parcelRefund(
  items: readonly Item[],
  parcels: readonly OrderParcel[],
  { returnedParcel, before }: { returnedParcel: string; before: readonly string[] },
): number {
  const returns = parcelReturns(items, parcels);
  const others = before.flatMap((id) => returns.get(id) ?? []);
  return refundOf(items, returns.get(returnedParcel)?.lines ?? [], others);
}

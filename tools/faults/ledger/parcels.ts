// A parcel for every order that was delivered or came back, and none under way for one that was cancelled; several have what it has.
import type { Books, ItemRow, ShipmentRow } from "./books.ts";
import { findings, type Findings } from "./disagreement.ts";

/** By state of the order, where each of its parcels may be; any will do where it is not final. */
const parcelsOf: Readonly<Record<string, readonly string[]>> = {
  delivered: ["DELIVERED", "RETURNED"],
  returned: ["RETURNED"],
  cancelled: ["none", "STOPPED"],
};

export function checkParcels(books: Books): Findings {
  const shipments = Map.groupBy(books.shipments, ({ orderId }) => orderId);
  const items = Map.groupBy(books.items, ({ orderId }) => orderId);
  return findings(books.orders, ({ orderId, state }) => {
    const parcels = shipments.get(orderId) ?? [];
    const states = parcels.length === 0 ? ["none"] : parcels.map((parcel) => parcel.state);
    const allowed = parcelsOf[state];
    const fits =
      !allowed || (states.every((one) => allowed.includes(one)) && (state !== "delivered" || states.includes("DELIVERED")));
    const isWhole = parcels.length < 2 || unitsOf(parcels.flatMap(({ lines }) => lines)) === unitsOf(items.get(orderId) ?? []);
    return [
      fits
        ? undefined
        : { rule: "parcel", subject: orderId, message: `it is ${state}, and its parcels are ${states.join(", ")}` },
      isWhole ? undefined : { rule: "parcel_contents", subject: orderId, message: "its parcels have other units than it has" },
    ];
  });
}

function unitsOf(lines: readonly (Pick<ItemRow, "sku" | "quantity"> | ShipmentRow["lines"][number])[]): string {
  const units = new Map<string, number>();
  for (const { sku, quantity } of lines) units.set(sku, (units.get(sku) ?? 0) + quantity);
  return [...units]
    .map(([sku, quantity]) => `${quantity} ${sku}`)
    .toSorted()
    .join(", ");
}

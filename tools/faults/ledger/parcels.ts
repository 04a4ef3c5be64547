// A parcel for every order that was delivered or came back, and none under way for one that was cancelled.
import type { Books } from "./books.ts";
import { findings, type Findings } from "./disagreement.ts";

/** By state of the order; any will do where it is not final. */
const parcelsOf: Readonly<Record<string, readonly string[]>> = {
  delivered: ["DELIVERED"],
  returned: ["RETURNED"],
  cancelled: ["none", "STOPPED"],
};

export function checkParcels(books: Books): Findings {
  const shipments = new Map(books.shipments.map((shipment) => [shipment.orderId, shipment]));
  return findings(books.orders, ({ orderId, state }) => {
    const parcel = shipments.get(orderId)?.state ?? "none";
    return [
      (parcelsOf[state]?.includes(parcel) ?? true)
        ? undefined
        : { rule: "parcel", subject: orderId, message: `it is ${state}, and its parcel is ${parcel}` },
    ];
  });
}

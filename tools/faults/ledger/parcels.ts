// A parcel for every order that was delivered, and none under way for one that was cancelled.
import type { Books } from "./books.ts";
import { findings, type Findings } from "./disagreement.ts";

export function checkParcels(books: Books): Findings {
  const shipments = new Map(books.shipments.map((shipment) => [shipment.orderId, shipment]));
  return findings(books.orders, ({ orderId, state }) => {
    const parcel = shipments.get(orderId)?.state ?? "none";
    const isRight =
      state === "delivered" ? parcel === "DELIVERED" : state === "cancelled" ? ["none", "STOPPED"].includes(parcel) : true;
    return [isRight ? undefined : { rule: "parcel", subject: orderId, message: `it is ${state}, and its parcel is ${parcel}` }];
  });
}

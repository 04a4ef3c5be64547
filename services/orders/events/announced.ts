// What has to be told of an order.
import type { Cause } from "#runtime/events/outgoing.ts";
import type { Announcement } from "../domain/facts.ts";
import type { LockedOrder } from "../store/progress.ts";

/** A parcel that came back, and what is given back for it. Minor units. */
export interface ParcelPaidBack {
  returnedParcel: string;
  refund: number;
}

export interface Announced {
  order: LockedOrder;
  announcement: Announcement | ParcelPaidBack;
  cause: Cause;
}

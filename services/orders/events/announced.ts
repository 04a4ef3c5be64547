// What has to be told of an order.
import type { Cause } from "#runtime/events/outgoing.ts";
import type { Announcement } from "../domain/facts.ts";
import type { LockedOrder } from "../store/progress.ts";

export interface Announced {
  order: LockedOrder;
  announcement: Announcement;
  cause: Cause;
}

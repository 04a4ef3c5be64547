// All that shipping does later: parcels are booked, leave and arrive.
import type { DueWork } from "#runtime/schedule/due-work.ts";
import type { Carriers } from "../carrier/contract.ts";
import { bookWork, unbookWork, type Runtime, type Senders } from "./book.ts";
import { moveWorks } from "./move.ts";

export function shippingDueWork(runtime: Runtime, carriers: Carriers, shipFrom: Senders): DueWork[] {
  return [bookWork(runtime, carriers, shipFrom), unbookWork(runtime, carriers), ...moveWorks(runtime, carriers)];
}

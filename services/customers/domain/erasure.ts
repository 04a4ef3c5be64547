// Who is asked what of a customer is still kept, and when again.

/** Something that a service still keeps of an erased customer. */
export interface Wait {
  service: string;
  kind: string;
  id: string;
  reason: string;
}

/** So many are shown. */
export const waitsMax = 20;

/** Every service of the mesh: one that keeps nothing of a person says so. */
export const keepers = [
  "customers",
  "identity",
  "orders",
  "payments",
  "fraud",
  "shipping",
  "operations",
  "inventory",
  "catalog",
  "notifications",
  "media",
] as const;

/** Knows whose an order is; the others are asked by order. */
export const keeperOfOrders = "orders";

const checkMsMin = 1_000;
const checkMsMax = 3_600_000;

/**
 * When to ask again, by how long the erasure has been going on: in its beginning each second, later after a tenth of its time.
 * An order that becomes final is told, so this is for what is not.
 */
export function nextCheckMs(eraseTime: Date, now: Date): number {
  const agedMs = now.getTime() - eraseTime.getTime();
  return Math.min(checkMsMax, Math.max(checkMsMin, agedMs / 10));
}

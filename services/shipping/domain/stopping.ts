// All parcels of an order are stopped, or none is.
import { stepsOf, type ParcelStep } from "./parcels.ts";
import { hasLeft, stop, type Shipment } from "./shipment.ts";

export type StopAllOutcome =
  | { kind: "stopped"; steps: ParcelStep[] }
  | { kind: "stopped_before" }
  | { kind: "too_late"; shipment: Shipment };

/** What has not left stays here. */
export function stopThoseHere(parcels: readonly Shipment[], about: { reason: string; now: Date }): ParcelStep[] {
  const stopped = parcels.flatMap((parcel) => {
    const outcome = stop(parcel, about);
    return outcome.kind === "stopped" ? [outcome.shipment] : [];
  });
  return stepsOf(parcels, stopped);
}

/** Where one has left, the others are to follow it. */
export function stopAll(parcels: readonly Shipment[], about: { reason: string; now: Date }): StopAllOutcome {
  const gone = parcels.find(hasLeft);
  if (gone) return { kind: "too_late", shipment: gone };
  const steps = stopThoseHere(parcels, about);
  return steps.length > 0 ? { kind: "stopped", steps } : { kind: "stopped_before" };
}

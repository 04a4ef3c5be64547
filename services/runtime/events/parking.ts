// Keys whose event became a dead letter: their later events wait behind it as letters, and a redrive goes in order.
import type { ParkedEvent } from "./inbox.ts";

export type ParkingVerdict = "free" | "behind" | "too_early" | "parked_already";

export interface Parking {
  /**
   * May this event be handled? "behind": an earlier event of its key is parked. "too_early": it was redriven before
   * the one it waits for. "parked_already": it came again, because its end did not reach the server.
   */
  judge(event: { eventId: string; orderKey: string; streamSequence: number; redriven: boolean }): ParkingVerdict;
  park(event: ParkedEvent): void;
  unpark(eventId: string, orderKey: string): void;
}

/** The partition has one worker, so what it remembers is what is parked. */
export function createParking(initial: readonly ParkedEvent[]): Parking {
  const byKey = new Map<string, ParkedEvent[]>();
  const park = (event: ParkedEvent): void => {
    const parked = byKey.get(event.orderKey) ?? [];
    if (parked.some((other) => other.eventId === event.eventId)) return;
    byKey.set(
      event.orderKey,
      [...parked, event].toSorted((one, other) => one.streamSequence - other.streamSequence),
    );
  };
  for (const event of initial) park(event);
  return {
    judge: ({ eventId, orderKey, redriven }) => {
      const parked = byKey.get(orderKey) ?? [];
      const [first] = parked;
      if (!first) return "free";
      if (!redriven) return parked.some((other) => other.eventId === eventId) ? "parked_already" : "behind";
      return first.eventId === eventId ? "free" : "too_early";
    },
    park,
    unpark: (eventId, orderKey) => {
      const rest = (byKey.get(orderKey) ?? []).filter((event) => event.eventId !== eventId);
      if (rest.length > 0) byKey.set(orderKey, rest);
      else byKey.delete(orderKey);
    },
  };
}

// Keys whose event became a dead letter: their later events wait behind it as letters, and a redrive goes in order.
import type { ParkedEvent } from "./inbox.ts";

export type ParkingVerdict = "free" | "behind" | "too_early" | "parked_already";

export interface JudgedEvent {
  eventId: string;
  orderKey: string;
  redriven: boolean;
  /** Given up by a person: it may go whatever waits before it. */
  discarded: boolean;
}

export interface Parking {
  /**
   * May this event be handled? "behind": an earlier event of its key is parked. "too_early": it was redriven before
   * the one it waits for, and that is not going with it. "parked_already": it came again, because its end did not reach
   * the server.
   */
  judge(event: JudgedEvent, isGoing: (eventId: string) => boolean): ParkingVerdict;
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
    judge: ({ eventId, orderKey, redriven, discarded }, isGoing) => {
      const parked = byKey.get(orderKey) ?? [];
      if (parked.length === 0 || discarded) return "free";
      const isParked = parked.some((other) => other.eventId === eventId);
      if (!redriven) return isParked ? "parked_already" : "behind";
      // One that is not parked was handled already, or was never held back: the inbox knows.
      if (!isParked) return "free";
      return parked.find((other) => !isGoing(other.eventId))?.eventId === eventId ? "free" : "too_early";
    },
    park,
    unpark: (eventId, orderKey) => {
      const rest = (byKey.get(orderKey) ?? []).filter((event) => event.eventId !== eventId);
      if (rest.length > 0) byKey.set(orderKey, rest);
      else byKey.delete(orderKey);
    },
  };
}

// How an event is sent again to one consumer and to no other.
import { parseStoredSubject } from "./contract.ts";

/** Names the dead letter that a message is sent again for. */
export const letterHeader = "Ordermesh-Letter";
/** Says that the event is given up: it counts as handled without being handled, and its key goes on. The value is the reason. */
export const discardHeader = "Ordermesh-Discard";

/** Where a stored message is sent again to. Undefined where its subject is not that of an event. */
export function redriveSubject(service: string, storedSubject: string): string | undefined {
  if (!parseStoredSubject(storedSubject)) return undefined;
  return `redrive.${service}.${storedSubject.replace(/^redrive\.[a-z]+\./, "")}`;
}

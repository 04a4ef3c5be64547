// To which letter a failure belongs; pure, and beside the statement that acts on it in the same transaction.
import type { LetterState } from "../../domain/letters.ts";
import { relayConsumer } from "./names.ts";

/** Codes of messages that can never be handled: a service holds nothing back for them, so their keys go on. */
const malformedCodes: readonly string[] = [
  "SUBJECT_UNKNOWN",
  "ID_MISSING",
  "ID_INVALID",
  "TYPE_MISMATCH",
  "TYPE_UNKNOWN",
  "VERSION_UNKNOWN",
  "PAYLOAD_MALFORMED",
];

/** What is too large for NATS holds back the relay; what is too large for a consumer holds back nothing. */
export const holdsKey = ({ consumer, code, key, eventId }: Holding): boolean => {
  const isMalformed = malformedCodes.includes(code) || (code === "PAYLOAD_TOO_LARGE" && consumer !== relayConsumer);
  return key !== "" && eventId !== "" && !isMalformed;
};

interface Holding {
  consumer: string;
  code: string;
  key: string;
  eventId: string;
}

/** A letter as far as a new failure asks. */
export interface KnownLetter {
  letterId: string;
  service: string;
  consumer: string;
  eventId: string;
  state: LetterState;
}

/** What fails, as far as it must be told apart. */
export interface FailedMessage {
  consumer: string;
  service: string;
  eventId: string;
  /** The letter that the message says it was sent again for; empty where it says none. */
  letterId: string;
}

export type FailurePlan =
  | { kind: "open" }
  /** What was sent again has failed again. */
  | { kind: "reopen"; letterId: string }
  /** It is known already, or belongs to a letter that is. */
  | { kind: "known"; letterId: string };

/**
 * To which letter a failure belongs. A message that was sent again belongs to its letter, if it is that letter's
 * event; an event that was published twice belongs to the letter that is open for it.
 */
export function planFailure(
  failed: FailedMessage,
  letters: { byId(letterId: string): KnownLetter | undefined; ofEvent(failed: FailedMessage): KnownLetter | undefined },
): FailurePlan {
  const named = failed.letterId === "" ? undefined : letters.byId(failed.letterId);
  if (named && named.consumer === failed.consumer && named.service === failed.service && named.eventId === failed.eventId) {
    return named.state === "redriving"
      ? { kind: "reopen", letterId: named.letterId }
      : { kind: "known", letterId: named.letterId };
  }
  const same = failed.eventId === "" ? undefined : letters.ofEvent(failed);
  return same ? { kind: "known", letterId: same.letterId } : { kind: "open" };
}

// What becomes of a dead letter: pure decisions over what is known of it.

export type LetterState = "open" | "redriving" | "resolved" | "discarded";
export type LetterSource = "advisory" | "reconciler" | "relay";
export type SendKind = "redrive" | "discard";
export type LetterAction = "CAPTURED" | "FAILED_AGAIN" | "REDRIVE_ASKED" | "REDRIVE_SENT" | "RESOLVED" | "DISCARDED";

/** A letter as far as a person's wish asks. */
export interface AskedLetter {
  letterId: string;
  state: LetterState;
  isUnsent: boolean;
  hasPayload: boolean;
  hasRedriveSubject: boolean;
  /** The earlier letter of its consumer and key that is open; empty where there is none. */
  openBefore: string;
}

export type RedriveDecision =
  | { kind: "ask" }
  /** On its way, or done. */
  | { kind: "as_it_is" }
  | { kind: "discarded" }
  | { kind: "original_gone" }
  | { kind: "not_redrivable" }
  | { kind: "earlier_open"; letterId: string };

export function decideRedrive(letter: AskedLetter): RedriveDecision {
  switch (letter.state) {
    case "redriving":
    case "resolved":
      return { kind: "as_it_is" };
    case "discarded":
      return { kind: "discarded" };
    case "open":
      if (!letter.isUnsent && !letter.hasPayload) return { kind: "original_gone" };
      if (!letter.isUnsent && !letter.hasRedriveSubject) return { kind: "not_redrivable" };
      return letter.openBefore === "" ? { kind: "ask" } : { kind: "earlier_open", letterId: letter.openBefore };
  }
}

export type DiscardDecision =
  /** Closed, and its service is told so that the key goes on. */
  { kind: "discard"; tellsConsumer: boolean } | { kind: "as_it_is" } | { kind: "resolved" } | { kind: "redriving" };

/** Messages that can never be handled, and those that cannot be sent, hold nothing back: they are only closed. */
export function decideDiscard(letter: AskedLetter & { holdsKey: boolean; isOnItsWay: boolean }): DiscardDecision {
  switch (letter.state) {
    case "redriving":
      // One that nobody takes, because its consumer is gone, must not stay for ever.
      return letter.isOnItsWay ? { kind: "redriving" } : discarding(letter);
    case "resolved":
      return { kind: "resolved" };
    case "discarded":
      return { kind: "as_it_is" };
    case "open":
      return discarding(letter);
  }
}

const discarding = (letter: AskedLetter & { holdsKey: boolean }): DiscardDecision => ({
  kind: "discard",
  tellsConsumer: letter.isUnsent || (letter.holdsKey && letter.hasRedriveSubject),
});

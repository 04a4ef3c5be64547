// The end of an event that could not be handled: told to the server, whose advisory carries the reason.
import type { JsMsg } from "@nats-io/jetstream";

const reasonCharactersMax = 400;

/** What stands in the TERMINATED advisory. The prefix sets it apart from messages that were merely deleted. */
export function deadLetterReason(code: string, message: string): string {
  return `dead-letter: ${code}: ${message.replaceAll(/\s+/g, " ").slice(0, reasonCharactersMax)}`;
}

export function endAsDeadLetter(message: JsMsg, code: string, reason: string): void {
  message.term(deadLetterReason(code, reason));
}

// Puts letters on the wire: to the consumer that failed and to no other, those of a key one after the other.
import { headers, type MsgHdrs } from "@nats-io/transport-node";
import type { Bus } from "#runtime/events/bus.ts";
import { discardHeader, letterHeader } from "#runtime/events/redrive.ts";
import type { ServiceRuntime } from "#runtime/service.ts";
import { relayConsumer } from "../store/letters/names.ts";
import type { LetterToSend } from "../store/letters/sending.ts";
import type { OperationsTables } from "../store/tables.ts";
import { resolveUnsent } from "./unsent.ts";

const keysInFlightMax = 64;

export interface SentLetters {
  sent: LetterToSend[];
  /** Unsent events that their service has no more, because they were sent in the meantime. */
  gone: string[];
}

interface Sending {
  runtime: ServiceRuntime<OperationsTables>;
  bus: Bus;
}

export async function sendLetters(sending: Sending, letters: readonly LetterToSend[]): Promise<SentLetters> {
  const result: SentLetters = { sent: [], gone: [] };
  const keys = [...Map.groupBy(letters, ({ consumer, tenant, key }) => `${consumer} ${tenant} ${key}`).values()];
  const sendKeys = async (): Promise<void> => {
    for (let ofKey = keys.shift(); ofKey; ofKey = keys.shift()) await sendInSequence(sending, ofKey, result);
  };
  await Promise.all(Array.from({ length: Math.min(keysInFlightMax, keys.length) }, sendKeys));
  return result;
}

/** Ends at the first that cannot be sent: what comes after it would come too early. */
async function sendInSequence(sending: Sending, letters: readonly LetterToSend[], result: SentLetters): Promise<void> {
  for (const letter of letters) {
    try {
      if (letter.consumer !== relayConsumer) await publish(sending.bus, letter);
      else if (await resolveUnsent(sending.runtime, { ...letter, discard: letter.kind === "discard" })) {
        result.gone.push(letter.letterId);
      }
      result.sent.push(letter);
    } catch (error) {
      sending.runtime.log.warn({ letter: letter.letterId, error: (error as Error).message }, "letter_not_sent");
      return;
    }
  }
}

async function publish({ js }: Bus, letter: LetterToSend): Promise<void> {
  if (letter.redriveSubject === null) throw new Error("no consumer could take it");
  await js.publish(letter.redriveSubject, letter.payload ?? new Uint8Array(), {
    headers: writeRedriveHeaders(letter),
    // Another one each time that it is asked for, because the server swallows what it has seen in the last two minutes;
    // the same where a crash makes us repeat ourselves.
    msgID: `${letter.letterId}.${letter.sendNumber}`,
  });
}

/** What the original said, but for what it said to the server. */
function writeRedriveHeaders(letter: LetterToSend): MsgHdrs {
  const written = headers();
  for (const { name, value } of letter.headers) {
    if (/^nats-/i.test(name) || name === letterHeader || name === discardHeader) continue;
    written.append(name, value);
  }
  written.set(letterHeader, letter.letterId);
  if (letter.kind === "discard") written.set(discardHeader, oneLine(letter.reason));
  return written;
}

/** A header holds one line, and says something. */
const oneLine = (text: string): string => text.replaceAll(/[^\x20-\x7e]+/g, " ").trim() || "given up";

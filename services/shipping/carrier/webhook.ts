// Messages of carriers: signed by Standard Webhooks (specification 1.0.0, "Signature scheme"), their content in JSON.
import { Webhook, WebhookVerificationError } from "standardwebhooks";
import { MessageInvalid, SignatureInvalid, type Carrier, type CarrierMessage } from "./contract.ts";

/** By name of the carrier and tenant; while one takes another's place, both. */
export type Secrets = ReadonlyMap<string, readonly string[]>;
export const secretsKey = (carrier: string, tenant: string): string => `${carrier}:${tenant}`;

/** What is longer is cut; characters. */
const placeMax = 200;
const detailMax = 500;
const aheadMsMax = 24 * 60 * 60 * 1_000;

export const messageReader =
  (carrier: string, secrets: Secrets): Carrier["readMessage"] =>
  ({ tenant, bytes, headers }) => {
    const id = headers.get("webhook-id") ?? "";
    verify(bytes, { headers, secrets: secrets.get(secretsKey(carrier, tenant)) ?? [] });
    if (!/^[\w.:-]{1,128}$/.test(id))
      throw new MessageInvalid('webhook-id must be 1 to 128 letters, digits, "_", ".", ":" or "-"');
    return { id, ...read(Buffer.from(bytes).toString()) };
  };

/** The library bounds the age of webhook-timestamp to five minutes, before and after, and compares in constant time. */
function verify(bytes: Uint8Array, { headers, secrets }: { headers: Headers; secrets: readonly string[] }): void {
  const signed = Object.fromEntries(headers);
  for (const secret of secrets) {
    try {
      new Webhook(secret).verify(Buffer.from(bytes), signed, { jsonParse: false });
      return;
    } catch (error) {
      if (!(error instanceof WebhookVerificationError)) throw error;
    }
  }
  throw new SignatureInvalid(
    "the message is not signed with a secret of this carrier and tenant, or it is older than five minutes",
  );
}

function read(text: string): Omit<CarrierMessage, "id"> {
  const { type, trackingNumber, time, place = "", detail = "" } = parse(text);
  if (!isText(type) || !isText(trackingNumber) || !isText(time) || !isText(place) || !isText(detail)) {
    throw new MessageInvalid("type, trackingNumber and time must be there, and all fields must be texts");
  }
  return {
    type: plain(type, 64),
    trackingNumber: plain(trackingNumber, 64),
    time: timeOf(time),
    place: plain(place, placeMax),
    detail: plain(detail, detailMax),
  };
}

function parse(text: string): Record<string, unknown> {
  try {
    const content: unknown = JSON.parse(text);
    if (typeof content === "object" && content !== null) return content as Record<string, unknown>;
  } catch {
    // Told below, as what is no object.
  }
  throw new MessageInvalid("the message must be a JSON object");
}

const isText = (value: unknown): value is string => typeof value === "string";

/** A database takes no NUL, and a log no line that somebody else began. */
export const plain = (text: string, charactersMax: number): string =>
  text
    .replaceAll(/\p{Cc}+/gu, " ")
    .slice(0, charactersMax)
    .toWellFormed();

/** RFC 3339, section 5.6. A clock that is far ahead would make all that follows look old. */
function timeOf(text: string): Date {
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(text);
  const time = new Date(text);
  if (!isTime || Number.isNaN(time.getTime()))
    throw new MessageInvalid("time must be one of RFC 3339, such as 2026-01-31T12:00:00Z");
  if (time.getTime() > Date.now() + aheadMsMax) throw new MessageInvalid("time is more than a day ahead");
  return time;
}

// A stored message, taken apart as far as that can be done without trusting whoever has sent it.
import type { StoredMsg } from "@nats-io/jetstream";
import { parseStoredSubject } from "#runtime/events/contract.ts";
import { readHeaders, takeHeaders } from "#runtime/events/envelope.ts";
import { letterHeader, redriveSubject } from "#runtime/events/redrive.ts";
import { relayConsumer } from "./names.ts";
import { storable } from "./history.ts";

export interface LetterHeader {
  name: string;
  value: string;
}

/** What a letter keeps of its message. */
export interface Original {
  /** Empty where the sender gave none, or one that is no id. */
  eventId: string;
  eventTime: Date;
  typeName: string;
  tenant: string;
  key: string;
  subject: string;
  headers: LetterHeader[];
  /** Undefined where the stream had dropped it. */
  payload: Uint8Array | undefined;
  /** The letter that the message was sent again for; empty where it was not. */
  letterId: string;
}

/** What fits an index; the same as a consumer asks of an id. */
const idPattern = /^[\x21-\x7e]{1,128}$/;
const indexedCharactersMax = 256;

/** Anything that reaches a column with an index. */
const indexed = (text: string): string => storable(text).slice(0, indexedCharactersMax);

export const isEventId = (id: string): boolean => idPattern.test(id);

export function describeOriginal(message: StoredMsg): Original {
  const { headers } = takeHeaders(() => message.header);
  const envelope = readHeaders(headers);
  const { typeName, tenant, key } = readSubject(message.subject);
  return {
    eventId: isEventId(envelope.id) ? envelope.id : "",
    eventTime: envelope.time,
    typeName: indexed(typeName),
    tenant: indexed(tenant),
    key: indexed(key),
    subject: storable(message.subject),
    headers: [...(headers ?? [])].flatMap(([name, values]) =>
      values.map((value) => ({ name: storable(name), value: value.replaceAll("\0", "").toWellFormed() })),
    ),
    payload: message.data,
    letterId: headers?.get(letterHeader) ?? "",
  };
}

/** What is said of a message that the stream has dropped. */
export const originalGone: Original = {
  eventId: "",
  eventTime: new Date(0),
  typeName: "",
  tenant: "",
  key: "",
  subject: "",
  headers: [],
  payload: undefined,
  letterId: "",
};

/** Also of subjects that are no event's, whose parts may still tell a person something. */
function readSubject(subject: string): { typeName: string; tenant: string; key: string } {
  const parsed = parseStoredSubject(subject);
  if (parsed) return parsed;
  const tokens = subject.replace(/^(redrive\.[^.]+\.)?(p\.\d+\.)?/, "").split(".");
  return { typeName: tokens.slice(0, 5).join("."), tenant: tokens[5] ?? "", key: tokens[6] ?? "" };
}

const durablePattern = /^([a-z]+)_p\d+$/;

/** The service that a durable consumer belongs to; the consumer's own name where it is none of ours. */
export const serviceOfConsumer = (consumer: string): string => durablePattern.exec(consumer)?.[1] ?? consumer;

/** Where a message is sent again to; null where no consumer of ours could take it. */
export function redriveSubjectOf(consumer: string, { subject, eventId }: Original): string | null {
  const service = durablePattern.exec(consumer)?.[1];
  if (!service || consumer === relayConsumer || eventId === "") return null;
  return redriveSubject(service, subject) ?? null;
}

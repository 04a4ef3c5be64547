// The headers of an event: CloudEvents 1.0 in binary mode, trace context, and what JetStream needs.
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/nats-protocol-binding.md
import { MsgHdrsImpl } from "@nats-io/nats-core/internal";
import type { MsgHdrs } from "@nats-io/transport-node";
import { timeOfId } from "../ids.ts";
import type { OutgoingEvent } from "./outgoing.ts";

const lineBreak = /[\r\n]/;

/** Throws where a value has a line break, which would begin another header. */
export function writeHeaders(event: Omit<OutgoingEvent, "payload">): MsgHdrs {
  const written: Record<string, [string]> = {
    // De-duplication by the server is a courtesy; the inbox is the guarantee.
    "Nats-Msg-Id": [event.id],
    "ce-specversion": ["1.0"],
    "ce-id": [event.id],
    "ce-type": [event.typeName],
    "ce-source": [`ordermesh/${event.typeName.split(".")[1] ?? ""}`],
    "ce-subject": [event.key],
    "ce-time": [event.time.toISOString()],
    "ce-tenant": [event.tenant],
    "ce-sequence": [String(event.sequence)],
    "ce-causeid": [event.cause.id],
    "content-type": ["application/protobuf"],
    traceparent: [event.cause.traceparent],
  };
  for (const [name, [value]] of Object.entries(written))
    if (lineBreak.test(value)) throw new Error(`header ${name} of event ${event.id} has a line break`);
  // One after the other, the client would compare each with all before it.
  return MsgHdrsImpl.fromRecord(written);
}

export interface Envelope {
  /** Empty where the sender gave none. */
  id: string;
  typeName: string;
  time: Date;
  sequence: number;
  traceparent: string;
}

const timeMin = Date.UTC(1970, 0, 1);
const timeMax = Date.UTC(9999, 11, 31);

/**
 * When an event happened, as its sender said or as its id says. It stands in the key of the inbox, so it must be the
 * same for every delivery of the event, and within what PostgreSQL can hold.
 */
function timeOf(text: string, id: string): Date {
  const given = text === "" ? (timeOfId(id) ?? timeMin) : Date.parse(text);
  return new Date(given >= timeMin && given <= timeMax ? given : timeMin);
}

/** What is asked of headers. */
export type Headers = Pick<MsgHdrs, "get" | "has">;

export interface TakenHeaders<Taken extends Headers> {
  /** Undefined where there are none, or where they cannot be read. */
  headers: Taken | undefined;
  /** Empty where they could be read. */
  problem: string;
}

/** A message's headers. The server takes names of headers that our client throws at when it reads them. */
export function takeHeaders<Taken extends Headers>(read: () => Taken | undefined): TakenHeaders<Taken> {
  try {
    return { headers: read(), problem: "" };
  } catch (error) {
    return { headers: undefined, problem: (error as Error).message };
  }
}

/** Reads what a sender wrote; senders are not trusted to have written all of it. */
export function readHeaders(read: Headers | undefined): Envelope {
  const get = (name: string): string => read?.get(name) ?? "";
  const sequence = Number(get("ce-sequence"));
  return {
    id: get("ce-id"),
    typeName: get("ce-type"),
    time: timeOf(get("ce-time"), get("ce-id")),
    sequence: Number.isSafeInteger(sequence) && sequence > 0 ? sequence : 0,
    traceparent: get("traceparent"),
  };
}

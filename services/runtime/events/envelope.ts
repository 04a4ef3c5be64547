// The headers of an event: CloudEvents 1.0 in binary mode, trace context, and what JetStream needs.
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/nats-protocol-binding.md
import { headers, type MsgHdrs } from "@nats-io/transport-node";
import { timeOfId } from "../ids.ts";
import type { OutgoingEvent } from "./outgoing.ts";

export function writeHeaders(event: Omit<OutgoingEvent, "payload">): MsgHdrs {
  const written = headers();
  // De-duplication by the server is a courtesy; the inbox is the guarantee.
  written.set("Nats-Msg-Id", event.id);
  written.set("ce-specversion", "1.0");
  written.set("ce-id", event.id);
  written.set("ce-type", event.typeName);
  written.set("ce-source", `ordermesh/${event.typeName.split(".")[1] ?? ""}`);
  written.set("ce-subject", event.key);
  written.set("ce-time", event.time.toISOString());
  written.set("ce-tenant", event.tenant);
  written.set("ce-sequence", String(event.sequence));
  written.set("ce-causeid", event.cause.id);
  written.set("content-type", "application/protobuf");
  written.set("traceparent", event.cause.traceparent);
  return written;
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

export interface TakenHeaders {
  /** Undefined where there are none, or where they cannot be read. */
  headers: MsgHdrs | undefined;
  /** Empty where they could be read. */
  problem: string;
}

/** A message's headers. The server takes names of headers that our client throws at when it reads them. */
export function takeHeaders(read: () => MsgHdrs | undefined): TakenHeaders {
  try {
    return { headers: read(), problem: "" };
  } catch (error) {
    return { headers: undefined, problem: (error as Error).message };
  }
}

/** Reads what a sender wrote; senders are not trusted to have written all of it. */
export function readHeaders(read: MsgHdrs | undefined): Envelope {
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

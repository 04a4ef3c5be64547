// The headers of an event: CloudEvents 1.0 in binary mode, trace context, and what JetStream needs.
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/nats-protocol-binding.md
import { headers, type MsgHdrs } from "@nats-io/transport-node";
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

/** Reads what a sender wrote; senders are not trusted to have written all of it. */
export function readHeaders(read: MsgHdrs | undefined, published: Date): Envelope {
  const get = (name: string): string => read?.get(name) ?? "";
  const time = new Date(get("ce-time"));
  const sequence = Number(get("ce-sequence"));
  return {
    id: get("ce-id"),
    typeName: get("ce-type"),
    time: Number.isNaN(time.getTime()) ? published : time,
    sequence: Number.isSafeInteger(sequence) && sequence > 0 ? sequence : 0,
    traceparent: get("traceparent"),
  };
}

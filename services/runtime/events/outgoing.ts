// An event on its way out: encoded once, when the transaction writes it.
import { create, toBinary, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { newId } from "../ids.ts";
import { currentRequest } from "../request-context.ts";
import { eventContract, eventKey } from "./contract.ts";

/** What led to an event: the request or the event before it, and the trace that both belong to. */
export interface Cause {
  id: string;
  /** W3C Trace Context. */
  traceparent: string;
}

export interface OutgoingEvent {
  id: string;
  typeName: string;
  tenant: string;
  key: string;
  sequence: number;
  time: Date;
  cause: Cause;
  payload: Uint8Array;
}

/** Below nats-server's default max_payload of 1 MiB, with room for the headers. Bytes. */
export const payloadBytesMax = 1_000_000;

/** The cause for events that a request leads to. */
export function requestCause(): Cause {
  const { requestId, traceparent } = currentRequest();
  return { id: requestId, traceparent };
}

/**
 * Encodes an event. The sequence counts the events that this service has sent for the key, from 1, so that a consumer
 * can tell late from new. Throws where the payload is too large to be published.
 */
export function outgoing<Desc extends DescMessage>(
  desc: Desc,
  message: MessageInitShape<Desc>,
  about: { tenant: string; sequence: number; time: Date; cause: Cause },
): OutgoingEvent {
  const contract = eventContract(desc);
  const full = create(desc, message);
  const payload = toBinary(desc, full);
  if (payload.byteLength > payloadBytesMax) {
    throw new Error(`${desc.typeName}: ${payload.byteLength} bytes are more than an event may have (${payloadBytesMax})`);
  }
  return { id: newId("evt"), typeName: desc.typeName, key: eventKey(contract, full), payload, ...about };
}

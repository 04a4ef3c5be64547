// A message as a consumer got it, and what can be said of it before it is handled.
import { fromBinary } from "@bufbuild/protobuf";
import type { JsMsg } from "@nats-io/jetstream";
import { childTraceparent } from "../request-context.ts";
import { parseStoredSubject } from "./contract.ts";
import { readHeaders, takeHeaders } from "./envelope.ts";
import { discardHeader } from "./redrive.ts";
import { payloadBytesMax } from "./outgoing.ts";
import type { Hearing, ReceivedEvent } from "./hearing.ts";
import { headersOf } from "./message-headers.ts";

export interface Delivery {
  message: JsMsg;
  /** Position in the stream. */
  streamSequence: number;
  hearing: Hearing;
  event: ReceivedEvent<unknown>;
  /** Tenant and key together: what is handled in order. */
  orderKey: string;
  redriven: boolean;
  /** True where a person has given the event up: it counts as handled, and its handler is not asked. */
  discarded: boolean;
}

/** A message that can never be handled, whatever is tried. */
export interface Malformed {
  message: JsMsg;
  code:
    | "SUBJECT_UNKNOWN"
    | "ID_MISSING"
    | "ID_INVALID"
    | "TYPE_MISMATCH"
    | "VERSION_UNKNOWN"
    | "PAYLOAD_TOO_LARGE"
    | "PAYLOAD_MALFORMED";
  reason: string;
}

interface KnownVersion {
  hearing: Hearing;
  decode(payload: Uint8Array): unknown;
}

/** What fits an index, a log line and a subject. */
const idPattern = /^[\x21-\x7e]{1,128}$/;

export type Decoder = (message: JsMsg) => Delivery | Malformed;

/** Compiles the lookup from full type names to handlers. Throws where two handlers hear the same event. */
export function createDecoder(hears: readonly Hearing[]): Decoder {
  const versions = new Map<string, KnownVersion>();
  for (const hearing of hears) {
    for (const { desc, raise } of hearing.versions) {
      const other = versions.get(desc.typeName);
      if (other) throw new Error(`${hearing.name} and ${other.hearing.name} both hear ${desc.typeName}; make them one`);
      versions.set(desc.typeName, { hearing, decode: (payload) => raise(fromBinary(desc, payload)) });
    }
  }
  return (message) => decode(message, versions);
}

function decode(message: JsMsg, versions: ReadonlyMap<string, KnownVersion>): Delivery | Malformed {
  const subject = parseStoredSubject(message.subject);
  if (!subject) return { message, code: "SUBJECT_UNKNOWN", reason: `subject ${message.subject} is not that of an event` };
  const { headers, problem } = takeHeaders(() => headersOf(message));
  if (problem !== "") return { message, code: "ID_MISSING", reason: `its headers cannot be read: ${problem}` };
  const envelope = readHeaders(headers);
  if (envelope.id === "") return { message, code: "ID_MISSING", reason: "header ce-id is missing" };
  if (!idPattern.test(envelope.id))
    return { message, code: "ID_INVALID", reason: "header ce-id is not 1 to 128 printable characters" };
  if (envelope.typeName !== "" && envelope.typeName !== subject.typeName) {
    return {
      message,
      code: "TYPE_MISMATCH",
      reason: `header ce-type is ${envelope.typeName}, the subject says ${subject.typeName}`,
    };
  }
  const version = versions.get(subject.typeName);
  if (!version) return { message, code: "VERSION_UNKNOWN", reason: `${subject.typeName} is not a version that is known here` };
  const { byteLength } = message.data;
  if (byteLength > payloadBytesMax) {
    return {
      message,
      code: "PAYLOAD_TOO_LARGE",
      reason: `${byteLength} bytes are more than an event may have (${payloadBytesMax})`,
    };
  }
  try {
    return {
      message,
      streamSequence: message.seq,
      hearing: version.hearing,
      orderKey: `${subject.tenant}.${subject.key}`,
      redriven: subject.redriven,
      discarded: subject.redriven && headers?.has(discardHeader) === true,
      event: {
        id: envelope.id,
        tenant: subject.tenant,
        key: subject.key,
        sequence: envelope.sequence,
        time: envelope.time,
        cause: { id: envelope.id, traceparent: childTraceparent(envelope.traceparent) },
        message: version.decode(message.data),
      },
    };
  } catch (error) {
    return { message, code: "PAYLOAD_MALFORMED", reason: (error as Error).message };
  }
}

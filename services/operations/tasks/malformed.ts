// Why a message that the reconciler found could never be handled, where that can be seen from the message itself.
import { findEventType } from "../events/event-types.ts";
import { showPayload } from "../events/show-payload.ts";
import type { Original } from "../store/letters/original.ts";

export interface Cause {
  code: string;
  message: string;
}

/** The same codes as a consumer gives; undefined where the message is in order. */
export function causeOfMalformed({ eventId, typeName, headers, payload }: Original): Cause | undefined {
  if (payload === undefined) return undefined;
  const header = (name: string): string => headers.find((given) => given.name === name)?.value ?? "";
  if (header("ce-id") === "") return { code: "ID_MISSING", message: "header ce-id is missing" };
  if (eventId === "") return { code: "ID_INVALID", message: "header ce-id is not 1 to 128 printable characters" };
  const type = header("ce-type");
  if (type !== "" && type !== typeName) {
    return { code: "TYPE_MISMATCH", message: `header ce-type is ${type}, the subject says ${typeName}` };
  }
  if (!findEventType(typeName)) return { code: "VERSION_UNKNOWN", message: `${typeName} is not a version that is known here` };
  const { problem } = showPayload(typeName, payload);
  return problem === "" ? undefined : { code: "PAYLOAD_MALFORMED", message: problem };
}

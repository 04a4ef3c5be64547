// An event's bytes as people may see them: JSON by its contract, without what is marked as not to be shown.
import {
  fromBinary,
  toBinary,
  toJson,
  type Message,
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { findEventType } from "./event-types.ts";

export type ShownPayload = { json: JsonObject; problem: "" } | { json: undefined; problem: string };

const masked = "[redacted]";

export function showPayload(typeName: string, payload: Uint8Array): ShownPayload {
  const desc = findEventType(typeName);
  if (!desc) return { json: undefined, problem: `no contract here is named ${typeName}` };
  try {
    const json = toJson(desc, fromBinary(desc, payload), { alwaysEmitImplicit: true });
    return { json: maskMessage(desc, json as JsonObject), problem: "" };
  } catch (error) {
    return { json: undefined, problem: `it does not decode as ${typeName}: ${(error as Error).message}` };
  }
}

/** The bytes themselves, without the values of fields that are not to be shown. What does not decode is shown as it is. */
export function showBytes(typeName: string, payload: Uint8Array): Uint8Array {
  const desc = findEventType(typeName);
  if (!desc) return payload;
  try {
    const message = fromBinary(desc, payload);
    return clearRedacted(desc, message) ? toBinary(desc, message) : payload;
  } catch {
    return payload;
  }
}

/** True where something was cleared. Only messages of their own are looked into: no list or map of an event has such a field. */
function clearRedacted(desc: DescMessage, message: Message): boolean {
  const fields = reflect(desc, message);
  let isCleared = false;
  for (const field of fields.fields.filter((candidate) => fields.isSet(candidate))) {
    if (field.proto.options?.debugRedact) {
      fields.clear(field);
      isCleared = true;
    } else if (field.fieldKind === "message") {
      isCleared = clearRedacted(field.message, fields.get(field).message) || isCleared;
    }
  }
  return isCleared;
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function maskMessage(desc: DescMessage, json: JsonObject): JsonObject {
  const fields = new Map(desc.fields.map((field) => [field.jsonName, field]));
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => {
      const field = fields.get(name);
      return [name, field ? maskField(field, value) : value];
    }),
  );
}

function maskField(field: DescField, value: JsonValue): JsonValue {
  if (field.proto.options?.debugRedact) return masked;
  const desc = field.message;
  if (!desc) return value;
  const mask = (part: JsonValue): JsonValue => (isObject(part) ? maskMessage(desc, part) : part);
  switch (field.fieldKind) {
    case "list":
      return Array.isArray(value) ? value.map(mask) : value;
    case "map":
      return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, part]) => [key, mask(part)])) : value;
    case "message":
      return mask(value);
  }
}

// What the audit log keeps of a message: its JSON by contract, without what must not be read by others.
import {
  clone,
  create,
  toJson,
  type DescField,
  type DescMessage,
  type JsonObject,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";

/**
 * The message as JSON. Fields that the contract marks with debug_redact (google/protobuf/descriptor.proto) are left out, at
 * every depth: secrets, tokens of payment, and what a person may ask us to forget.
 */
export function shown<Desc extends DescMessage>(desc: Desc, message: MessageInitShape<Desc>): JsonObject {
  // A message that is given is somebody's, and is not to lose its fields.
  const copy = clone(desc, create(desc, message));
  clearMarked(reflect(desc, copy));
  return toJson(desc, copy) as JsonObject;
}

export const isMarked = (field: DescField): boolean => field.proto.options?.debugRedact === true;

function clearMarked(message: ReflectMessage): void {
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    if (isMarked(field)) message.clear(field);
    else if (field.fieldKind === "message") clearMarked(message.get(field));
    else if (field.fieldKind === "list" && field.listKind === "message") {
      for (const item of message.get(field)) clearMarked(item as ReflectMessage);
    } else if (field.fieldKind === "map" && field.mapKind === "message") {
      for (const [, value] of message.get(field)) clearMarked(value as ReflectMessage);
    }
  }
}

/** Of both only what is not the same; undefined where all is. Objects are compared inside, lists as a whole. */
export function onlyChanged(before: JsonObject, after: JsonObject): { before: JsonObject; after: JsonObject } | undefined {
  const was: JsonObject = {};
  const is: JsonObject = {};
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [one, other] = [before[name], after[name]];
    if (JSON.stringify(one) === JSON.stringify(other)) continue;
    const inner = isObject(one) && isObject(other) ? onlyChanged(one, other) : undefined;
    const [old, now] = inner ? [inner.before, inner.after] : [one, other];
    if (old !== undefined) was[name] = old;
    if (now !== undefined) is[name] = now;
  }
  return Object.keys(was).length + Object.keys(is).length === 0 ? undefined : { before: was, after: is };
}

const isObject = (value: unknown): value is JsonObject => typeof value === "object" && value !== null && !Array.isArray(value);

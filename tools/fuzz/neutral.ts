// Messages as plain trees of what was set, which is what two sides are compared by.
import { create, ScalarType, type DescField, type DescMessage, type Message } from "@bufbuild/protobuf";
import { isReflectMessage, reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";

/** Values by proto name: bigint for 64 bits, Uint8Array for bytes, numbers for enums, arrays, Maps, and trees. */
export interface Tree {
  [field: string]: unknown;
}

/** What a message has, of the same form whoever made it. Two messages are equal where these are, as JSON. */
export function canonOfMessage(message: ReflectMessage): object {
  const set: Record<string, unknown> = {};
  for (const field of message.fields) if (message.isSet(field)) set[field.name] = canonOfField(field, message.get(field));
  return set;
}

function canonOfField(field: DescField, value: unknown): unknown {
  if (field.fieldKind === "list") return [...(value as Iterable<unknown>)].map(canonOfValue);
  if (field.fieldKind === "map") return canonOfEntries([...(value as Iterable<[unknown, unknown]>)]);
  return canonOfValue(value);
}

const canonOfEntries = (entries: [unknown, unknown][]): unknown =>
  entries.map(([key, value]) => [String(key), canonOfValue(value)] as const).toSorted(([one], [other]) => (one < other ? -1 : 1));

function canonOfValue(value: unknown): unknown {
  if (isReflectMessage(value)) return canonOfMessage(value);
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return String(value + 0);
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString("hex")}`;
  return value;
}

/** A message of the tree. */
export function messageOf(desc: DescMessage, tree: Tree): Message {
  return reflectOf(desc, tree).message;
}

function reflectOf(desc: DescMessage, tree: Tree): ReflectMessage {
  const message = reflect(desc, create(desc));
  for (const field of desc.fields) {
    const value = tree[field.name];
    if (value !== undefined) setField(message, field, value);
  }
  return message;
}

function setField(message: ReflectMessage, field: DescField, value: unknown): void {
  const item = (single: unknown): unknown => {
    if (field.message) return reflectOf(field.message, single as Tree);
    const isText = "longAsString" in field && field.longAsString;
    return isText ? String(single) : single;
  };
  if (field.fieldKind === "list") {
    const list = message.get(field);
    for (const single of value as unknown[]) list.add(item(single));
  } else if (field.fieldKind === "map") {
    const map = message.get(field);
    for (const [key, single] of value as Map<string | number | bigint | boolean, unknown>) map.set(key, item(single));
  } else message.set(field, item(value));
}

export const canonOfTree = (desc: DescMessage, tree: Tree): object => canonOfMessage(reflectOf(desc, tree));

export const isRequired = (field: DescField): boolean => field.presence === FeatureSet_FieldPresence.LEGACY_REQUIRED;

/** Of a field, or of the items of a list or a map. */
export const scalarOf = (field: DescField): ScalarType | undefined =>
  "scalar" in field && field.scalar !== undefined ? field.scalar : undefined;

// Required fields of proto2: a message without one cannot be sent at all, so that it is the caller who hears of it.
import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { reflect, type ReflectMessage } from "@bufbuild/protobuf/reflect";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import type { Violations } from "./violations.ts";

export type RequiredCheck = (message: Message, violations: Violations) => void;

const isRequired = (field: DescField): boolean => field.presence === FeatureSet_FieldPresence.LEGACY_REQUIRED;

/** Undefined where nothing in the message can be required, as in all of proto3. */
export function compileRequired(input: DescMessage): RequiredCheck | undefined {
  const messages = messagesWithin(input);
  if (![...messages].some((desc) => desc.fields.some(isRequired))) return undefined;
  return (message, violations) => checkMessage(reflect(input, message), "", violations);
}

function messagesWithin(desc: DescMessage, found: Set<DescMessage> = new Set()): Set<DescMessage> {
  if (found.has(desc)) return found;
  found.add(desc);
  for (const { message } of desc.fields) if (message) messagesWithin(message, found);
  return found;
}

function checkMessage(message: ReflectMessage, path: string, violations: Violations): void {
  for (const field of message.fields) {
    const fieldPath = path === "" ? field.name : `${path}.${field.name}`;
    if (!message.isSet(field)) {
      if (isRequired(field)) violations.add(fieldPath, "is required");
    } else if (field.fieldKind === "message") {
      checkMessage(message.get(field), fieldPath, violations);
    } else if (field.fieldKind === "list" && field.listKind === "message") {
      for (const [index, item] of [...message.get(field)].entries())
        checkMessage(item as ReflectMessage, `${fieldPath}[${index}]`, violations);
    } else if (field.fieldKind === "map" && field.mapKind === "message") {
      for (const [key, item] of message.get(field))
        checkMessage(item as ReflectMessage, `${fieldPath}[${JSON.stringify(key)}]`, violations);
    }
  }
}

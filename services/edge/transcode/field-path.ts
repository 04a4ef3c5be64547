// Fields by name and by path, and direct writes into the generated message form.
// oxlint-disable typescript/no-unsafe-type-assertion -- the descriptor says what a field holds, the compiler cannot know
import { create, type DescField, type DescMessage } from "@bufbuild/protobuf";

/** A message as the plain object that it is. */
export type Fields = Record<string, unknown>;

/** The fields on a dotted path of proto names; undefined where one does not exist or has nothing below it. */
export function resolveFieldPath(message: DescMessage, path: string): DescField[] | undefined {
  const fields: DescField[] = [];
  let desc: DescMessage | undefined = message;
  for (const name of path.split(".")) {
    const field: DescField | undefined = desc?.fields.find((candidate) => candidate.name === name);
    if (!field) return undefined;
    fields.push(field);
    desc = field.fieldKind === "message" ? field.message : undefined;
  }
  return fields;
}

interface OneofValue {
  case: string | undefined;
  value?: unknown;
}

/** Writes a value in its local form: bigint for int64, number for enums, the bare scalar for wrappers outside a oneof. */
export function setField(message: Fields, field: DescField, value: unknown): void {
  if (field.oneof) message[field.oneof.localName] = { case: field.localName, value };
  else message[field.localName] = value;
}

/** The message in a field, made where it is not there. */
export function childOf(message: Fields, field: DescField & { fieldKind: "message" }): Fields {
  if (field.oneof) {
    const current = message[field.oneof.localName] as OneofValue;
    if (current.case === field.localName) return current.value as Fields;
  } else if (message[field.localName] !== undefined) {
    return message[field.localName] as Fields;
  }
  const child: Fields = create(field.message);
  setField(message, field, child);
  return child;
}

/** Adds an item, in its local form, to a list. */
export function appendItem(message: Fields, field: DescField, item: unknown): void {
  (message[field.localName] as unknown[]).push(item);
}

/** Name of the other member that holds the field's oneof; undefined where the field may be set. */
export function oneofRival(message: Fields, field: DescField): string | undefined {
  if (!field.oneof) return undefined;
  const current = (message[field.oneof.localName] as OneofValue).case;
  if (current === undefined || current === field.localName) return undefined;
  return field.oneof.fields.find((member) => member.localName === current)?.name;
}

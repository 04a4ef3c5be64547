// Finds text that PostgreSQL cannot store, wherever it stands in a request: it would fail later, in some consumer.
import { ScalarType, type DescField, type DescMessage, type Message } from "@bufbuild/protobuf";

type Finder = (message: Message, path: string, found: string[]) => void;

const finders = new Map<DescMessage, Finder>();

/** Paths of the fields whose text holds a NUL character, in proto notation such as items[0].sku. */
export function fieldsWithNul(desc: DescMessage, message: Message): string[] {
  const found: string[] = [];
  finderOf(desc)(message, "", found);
  return found;
}

/** Compiled once a type; looked up again for nested types, so that a type may hold itself. */
function finderOf(desc: DescMessage): Finder {
  const known = finders.get(desc);
  if (known) return known;
  const fields = desc.fields.filter(mayHoldText);
  const finder: Finder = (message, path, found) => {
    for (const field of fields) visit(field, valueOf(field, message), path === "" ? field.name : `${path}.${field.name}`, found);
  };
  finders.set(desc, finder);
  return finder;
}

function mayHoldText(field: DescField): boolean {
  return field.message !== undefined || field.scalar === ScalarType.STRING || field.fieldKind === "map";
}

function valueOf(field: DescField, message: Message): unknown {
  const values = message as unknown as Record<string, unknown>;
  if (!field.oneof) return values[field.localName];
  const chosen = values[field.oneof.localName] as { case?: string; value?: unknown } | undefined;
  return chosen?.case === field.localName ? chosen.value : undefined;
}

function visit(field: DescField, value: unknown, path: string, found: string[]): void {
  if (value === undefined) return;
  if (typeof value === "string") {
    if (value.includes("\0")) found.push(path);
  } else if (Array.isArray(value)) {
    value.forEach((item, index) => visit(field, item, `${path}[${index}]`, found));
  } else if (field.fieldKind === "map") {
    for (const [key, item] of Object.entries(value as Record<string, unknown>)) {
      if (key.includes("\0")) found.push(path);
      visitSingle(field, item, `${path}[${JSON.stringify(key)}]`, found);
    }
  } else visitSingle(field, value, path, found);
}

function visitSingle(field: DescField, value: unknown, path: string, found: string[]): void {
  if (typeof value === "string") visit(field, value, path, found);
  else if (field.message && typeof value === "object" && value !== null) finderOf(field.message)(value as Message, path, found);
}

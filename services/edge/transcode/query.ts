// Query parameters to request fields. A message type is compiled once, when a route first mentions it; a request walks maps.
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { CoercionError, fieldCoercer, type Coercer } from "./coerce.ts";
import { appendItem, childOf, oneofRival, setField, type Fields } from "./field-path.ts";
import { decodeQuery } from "./percent.ts";
import type { Violations } from "./violations.ts";

interface QueryField {
  field: DescField;
  /** For a leaf that text can give. */
  coerce: Coercer | undefined;
  /** For a message whose fields have parameters of their own. */
  fields: QueryFields | undefined;
}

/** By proto name and by JSON name. */
type QueryFields = Map<string, QueryField>;

const compiled = new WeakMap<DescMessage, QueryFields>();

function compileFields(desc: DescMessage): QueryFields {
  const known = compiled.get(desc);
  if (known) return known;
  const fields: QueryFields = new Map();
  // Before the fields are compiled: a message may contain itself.
  compiled.set(desc, fields);
  for (const field of desc.fields) {
    const coerce = fieldCoercer(field);
    const nested = field.fieldKind === "message" && !coerce && !field.message.typeName.startsWith("google.protobuf.");
    const entry = { field, coerce, fields: nested ? compileFields(field.message) : undefined };
    fields.set(field.jsonName, entry).set(field.name, entry);
  }
  return fields;
}

export type QueryBinder = (search: string, message: Fields, violations: Violations) => void;

/** A parameter's way to its field. */
interface ParameterPath {
  /** By proto names, so that both spellings of a name are one parameter. */
  text: string;
  parents: (DescField & { fieldKind: "message" })[];
  leaf: QueryField;
}

const depthMax = 32;

/**
 * Compiles the query of a route. `taken` has the proto paths of fields that the path or the body sets, each with the
 * sentence that a caller reads.
 */
export function compileQuery(input: DescMessage, taken: ReadonlyMap<string, string>): QueryBinder {
  const root = compileFields(input);

  return function bindQuery(search, message, violations) {
    const seen = new Set<string>();
    for (const { name, value } of parameters(search, violations)) {
      const path = resolve(root, name, taken);
      if (typeof path === "string") violations.add(name, path);
      else bindValue(message, path, value, seen, violations);
    }
  };
}

/** For a body of "*", which leaves nothing to the query. */
export const refuseQuery: QueryBinder = (search, _message, violations) => {
  for (const { name } of parameters(search, violations)) {
    violations.add(name, "unknown parameter: this method takes its fields from the body");
  }
};

function* parameters(search: string, violations: Violations): Generator<{ name: string; value: string }> {
  for (const pair of search.split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const rawName = equals < 0 ? pair : pair.slice(0, equals);
    const name = decodeQuery(rawName);
    const value = decodeQuery(equals < 0 ? "" : pair.slice(equals + 1));
    if (name === undefined || value === undefined) violations.add(name ?? rawName, "is not percent-encoded UTF-8");
    else yield { name, value };
  }
}

/** The way to the field, or what is wrong with the name. */
function resolve(root: QueryFields, name: string, taken: ReadonlyMap<string, string>): ParameterPath | string {
  const steps = name.split(".", depthMax + 1);
  const parents: ParameterPath["parents"] = [];
  let fields: QueryFields | undefined = root;
  let text = "";
  let leaf: QueryField | undefined;
  for (const step of steps) {
    if (leaf?.field.fieldKind === "message") parents.push(leaf.field);
    leaf = fields?.get(step);
    if (!leaf || parents.length === depthMax) return "unknown parameter";
    text = text === "" ? leaf.field.name : `${text}.${leaf.field.name}`;
    const takenBy = taken.get(text);
    if (takenBy !== undefined) return takenBy;
    fields = leaf.fields;
  }
  return leaf ? { text, parents, leaf } : "unknown parameter";
}

function bindValue(message: Fields, path: ParameterPath, value: string, seen: Set<string>, violations: Violations): void {
  const { field, coerce } = path.leaf;
  if (!coerce) return violations.add(path.text, refusalOf(field));
  let coerced: unknown;
  try {
    coerced = coerce(value);
  } catch (error) {
    if (!(error instanceof CoercionError)) throw error;
    return violations.add(path.text, error.message);
  }
  let target = message;
  for (const parent of path.parents) {
    const rival = oneofRival(target, parent);
    if (rival !== undefined) return violations.add(path.text, `excludes ${rival}: only one of them may be given`);
    target = childOf(target, parent);
  }
  const rival = oneofRival(target, field);
  if (rival !== undefined) return violations.add(path.text, `excludes ${rival}: only one of them may be given`);
  if (field.fieldKind === "list") {
    appendItem(target, field, coerced);
    return;
  }
  if (seen.has(path.text)) return violations.add(path.text, "is given twice");
  seen.add(path.text);
  setField(target, field, coerced);
}

function refusalOf(field: DescField): string {
  switch (field.fieldKind) {
    case "map":
      return "is a map, which a query cannot carry";
    case "list":
      return "is a list of messages, which a query cannot carry";
    case "message":
    case "scalar":
    case "enum":
      return "is a message, which a query cannot carry as one value; name its fields";
  }
}

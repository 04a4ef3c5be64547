// Says all that is wrong with a JSON value that fromJson refused at its first mistake. Runs only then.
import { fromJson, ScalarType, type DescField, type DescMessage, type JsonValue, type Registry } from "@bufbuild/protobuf";
import { hasCustomJsonRepresentation } from "@bufbuild/protobuf/wkt";
import { isJsonObject } from "./json-value.ts";
import type { JsonPath } from "./json-scan.ts";
import type { Violations } from "./violations.ts";

const depthMax = 100;
const nodesMax = 100_000;

/** What is left of the work that one diagnosis may do. */
interface Budget {
  nodes: number;
}

export function diagnoseJson(desc: DescMessage, json: JsonValue, registry: Registry, violations: Violations): void {
  diagnoseMessage(desc, json, "", { registry, violations, budget: { nodes: nodesMax }, depth: 0 });
}

interface Diagnosis {
  registry: Registry;
  violations: Violations;
  budget: Budget;
  depth: number;
}

function diagnoseMessage(desc: DescMessage, json: JsonValue, path: string, diagnosis: Diagnosis): void {
  if (diagnosis.depth >= depthMax) return diagnosis.violations.add(path, "is nested too deeply");
  if (!isJsonObject(json)) return diagnosis.violations.add(path, "must be an object");
  const below = { ...diagnosis, depth: diagnosis.depth + 1 };
  const fields = new Map(desc.fields.flatMap((field) => [[field.jsonName, field] as const, [field.name, field] as const]));
  const seen = new Set<DescField>();
  const oneofs = new Map<unknown, DescField>();
  for (const [key, value] of Object.entries(json)) {
    const field = fields.get(key);
    if (!field) {
      diagnosis.violations.add(join(path, key), "unknown field");
      continue;
    }
    const fieldPath = join(path, field.name);
    const rival = field.oneof && value !== null ? oneofs.get(field.oneof) : undefined;
    if (seen.has(field)) diagnosis.violations.add(fieldPath, "is given twice, by both of its names");
    else if (rival) diagnosis.violations.add(fieldPath, `excludes ${rival.name}: only one of them may be given`);
    seen.add(field);
    if (field.oneof && value !== null) oneofs.set(field.oneof, field);
    diagnoseField(desc, field, key, value, fieldPath, below);
  }
}

function diagnoseField(
  desc: DescMessage,
  field: DescField,
  key: string,
  value: JsonValue,
  path: string,
  diagnosis: Diagnosis,
): void {
  diagnosis.budget.nodes -= 1;
  if (diagnosis.budget.nodes < 0 || value === null) return;
  const message = field.message && !hasCustomJsonRepresentation(field.message) ? field.message : undefined;
  switch (field.fieldKind) {
    case "message":
      if (message) return diagnoseMessage(message, value, path, diagnosis);
      return tryLeaf(desc, field, key, value, path, diagnosis);
    case "list":
      if (!Array.isArray(value)) return diagnosis.violations.add(path, "must be a list");
      for (const [index, item] of value.entries()) {
        const itemPath = `${path}[${index}]`;
        if (item === null) tryLeaf(desc, field, key, [item], itemPath, diagnosis);
        else if (message) diagnoseMessage(message, item, itemPath, diagnosis);
        else tryLeaf(desc, field, key, [item], itemPath, diagnosis);
      }
      return;
    case "map":
      if (!isJsonObject(value)) return diagnosis.violations.add(path, "must be an object");
      for (const [mapKey, item] of Object.entries(value)) {
        const itemPath = `${path}[${JSON.stringify(mapKey)}]`;
        if (message && item !== null) {
          tryLeaf(desc, field, key, { [mapKey]: {} }, itemPath, diagnosis);
          diagnoseMessage(message, item, itemPath, diagnosis);
        } else {
          tryLeaf(desc, field, key, { [mapKey]: item }, itemPath, diagnosis);
        }
      }
      return;
    case "scalar":
    case "enum":
      return tryLeaf(desc, field, key, value, path, diagnosis);
  }
}

/** The decoder itself decides whether a value fits; its words about why stay here, ours go out. */
function tryLeaf(desc: DescMessage, field: DescField, key: string, value: JsonValue, path: string, diagnosis: Diagnosis): void {
  diagnosis.budget.nodes -= 1;
  if (diagnosis.budget.nodes < 0) return;
  try {
    fromJson(desc, { [key]: value }, { registry: diagnosis.registry });
  } catch {
    diagnosis.violations.add(path, `must be ${expectationOf(field)}`);
  }
}

function expectationOf(field: DescField): string {
  if (field.enum)
    return `one of ${field.enum.values
      .slice(0, 12)
      .map((value) => value.name)
      .join(", ")} or its number`;
  if (field.message) return messageExpectations[field.message.typeName] ?? "a value of its type";
  return scalarExpectations.get(field.scalar) ?? "a whole number within the range of its type";
}

const scalarExpectations = new Map<ScalarType | undefined, string>([
  [undefined, "a value of its type"],
  [ScalarType.STRING, "text"],
  [ScalarType.BOOL, "true or false"],
  [ScalarType.BYTES, "base64 text"],
  [ScalarType.FLOAT, "a number within the range of its type"],
  [ScalarType.DOUBLE, "a number within the range of its type"],
]);

const messageExpectations: Record<string, string> = {
  "google.protobuf.Timestamp": "an RFC 3339 time such as 2026-01-31T12:00:00Z",
  "google.protobuf.Duration": "a duration in seconds such as 1.5s",
  "google.protobuf.FieldMask": "field paths in camelCase, comma-separated",
  "google.protobuf.Any": 'an object whose "@type" names a known message, with that message\'s fields',
  "google.protobuf.Struct": "an object",
  "google.protobuf.ListValue": "a list",
};

const join = (path: string, name: string): string => (path === "" ? name : `${path}.${name}`);

/** Numbers in these are doubles, but what they mean is not said: who writes an id there does not expect another one. */
const untyped = new Set(["google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"]);

/**
 * True where the value at the path may be an integer beyond 2^53: a float or a double by contract may be any number that a double
 * comes near to, and what has no type one that comes out as it went in.
 */
export function takesNumber(desc: DescMessage, path: JsonPath, isKept: boolean): boolean {
  let message: DescMessage | undefined = desc;
  let field: DescField | undefined;
  for (const step of path) {
    if (message && untyped.has(message.typeName)) return isKept;
    // An index stays in the list's field, and a map's key in the map's.
    if (typeof step === "number" || (field?.fieldKind === "map" && message === undefined)) {
      message = field?.message;
      continue;
    }
    field = message?.fields.find((candidate) => candidate.jsonName === step || candidate.name === step);
    message = field?.fieldKind === "message" ? field.message : undefined;
    if (!field) return false;
  }
  if (field?.message && untyped.has(field.message.typeName)) return isKept;
  const scalar = field?.message ? field.message.fields[0]?.scalar : field?.scalar;
  const wrapped = !field?.message || /^google\.protobuf\.(?:Float|Double)Value$/.test(field.message.typeName);
  return wrapped && (scalar === ScalarType.FLOAT || scalar === ScalarType.DOUBLE);
}

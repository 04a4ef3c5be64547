// Rules of protovalidate as keywords of JSON Schema: those that it can say. The others stand in the comments, and are checked anyway.
import { getOption, hasOption, type DescField, type JsonObject } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { field as fieldRules, type FieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

const rulesOf = (field: DescField): FieldRules | undefined =>
  hasOption(field, fieldRules) ? getOption(field, fieldRules) : undefined;

/** Keywords for the field's own schema. */
export function boundsOf(field: DescField): JsonObject {
  const type = rulesOf(field)?.type;
  if (type?.case === "string") return textBounds(type.value);
  if (type?.case === "repeated") {
    const { minItems, maxItems, unique: uniqueItems } = type.value;
    return given({ minItems, maxItems, uniqueItems });
  }
  if (type?.case === "map") return given({ minProperties: type.value.minPairs, maxProperties: type.value.maxPairs });
  // In base64 a text is a third longer, and rounded up.
  if (type?.case === "bytes") return given({ maxLength: Math.ceil(Number(type.value.maxLen) / 3) * 4 });
  // Whole numbers of 64 bits are text, which knows no bounds.
  const isNumber = type?.case === "int32" || type?.case === "uint32" || type?.case === "float" || type?.case === "double";
  return isNumber ? numberBounds(type.value) : {};
}

type Given = JsonObject[string] | bigint | undefined;

/** What is set, with numbers as JSON has them. */
const given = (keywords: Record<string, Given>): JsonObject =>
  Object.fromEntries(
    Object.entries(keywords).flatMap(([name, value]) => {
      if (value === undefined || value === false || value === "" || value === 0n || value === 0) return [];
      return [[name, typeof value === "bigint" ? Number(value) : value]];
    }),
  );

type TextRules = Extract<FieldRules["type"], { case: "string" }>["value"];

function textBounds({ minLen, maxLen, len, pattern, in: choices, wellKnown }: TextRules): JsonObject {
  const formats: Record<string, string> = {
    email: "email",
    uri: "uri",
    uuid: "uuid",
    hostname: "hostname",
    ipv4: "ipv4",
    ipv6: "ipv6",
  };
  const format = wellKnown.case && wellKnown.value === true ? formats[wellKnown.case] : undefined;
  return {
    ...given({ minLength: len || minLen, maxLength: len || maxLen, pattern, format }),
    ...(choices.length > 0 ? { enum: [...choices] } : {}),
  };
}

interface NumberRules {
  greaterThan: { case: string | undefined; value?: number | undefined };
  lessThan: { case: string | undefined; value?: number | undefined };
}

function numberBounds({ greaterThan, lessThan }: NumberRules): JsonObject {
  const names: Record<string, string> = { gt: "exclusiveMinimum", gte: "minimum", lt: "exclusiveMaximum", lte: "maximum" };
  const bounds = [greaterThan, lessThan].flatMap((bound) => {
    const name = bound.case && names[bound.case];
    return name && bound.value !== undefined ? [[name, bound.value] as const] : [];
  });
  return Object.fromEntries(bounds);
}

/** The texts that are taken, where there are few. */
export function choicesOf(field: DescField): readonly string[] {
  const type = typeOf(field);
  return type?.case === "string" ? type.value.in.filter((choice) => choice !== "") : [];
}

/** The least whole number that is taken, and one where zero and less are. */
export const leastOf = (field: DescField): number => Math.max(1, leastTaken(typeOf(field)?.value));

function leastTaken(value: unknown): number {
  const { greaterThan } = (value ?? {}) as { greaterThan?: { case?: string; value?: number | bigint } };
  const bound = Number(greaterThan?.value ?? 0);
  return greaterThan?.case === "gt" ? bound + 1 : bound;
}

/** Numbers of an enum that are taken, where not all are; zero says nothing. */
export function enumChoicesOf(field: DescField): readonly number[] {
  const type = typeOf(field);
  return type?.case === "enum" ? type.value.in.filter((choice) => choice !== 0) : [];
}

/** Of a list those of its items. */
function typeOf(field: DescField): FieldRules["type"] | undefined {
  const type = rulesOf(field)?.type;
  return type?.case === "repeated" ? type.value.items?.type : type;
}

/** True where a request without the field is refused. */
export function isRequired(field: DescField): boolean {
  const rules = rulesOf(field);
  if (!rules) return false;
  if (rules.required) return true;
  // What has presence is looked at only where it is set.
  if (field.presence !== FeatureSet_FieldPresence.IMPLICIT) return false;
  const { type } = rules;
  if (type.case === "repeated") return type.value.minItems > 0n;
  if (type.case === "enum") return type.value.notIn.includes(0) || (type.value.in.length > 0 && !type.value.in.includes(0));
  if (type.case !== "string") return leastTaken(type.value) > 0;
  const { minLen, pattern, in: choices } = type.value;
  return minLen > 0n || (choices.length > 0 && !choices.includes("")) || (pattern !== "" && !matchesNothing(pattern));
}

/** A pattern that this engine cannot read may well take an empty text. */
function matchesNothing(pattern: string): boolean {
  try {
    return new RegExp(pattern, "u").test("");
  } catch {
    return true;
  }
}

// Text of paths, queries and headers to values. protobuf-es' fromJson is no help here: it refuses "1" for an enum, "true" for
// a bool and snake_case masks, and takes "0x10" for an integer, "1.5sx" for a duration and the 30th of February for a day.
import { create, fromJson, ScalarType, type DescEnum, type DescField, type DescMessage } from "@bufbuild/protobuf";
import { protoCamelCase, protoSnakeCase } from "@bufbuild/protobuf/reflect";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { DurationSchema, FieldMaskSchema, isWrapperDesc, TimestampSchema } from "@bufbuild/protobuf/wkt";

/** Gives the value in its local form, or throws CoercionError with what was expected. */
export type Coercer = (text: string) => unknown;

export class CoercionError extends Error {
  override readonly name = "CoercionError";
}

const refuseValue = (expected: string): never => {
  throw new CoercionError(`must be ${expected}`);
};

const integer32 = (min: number, max: number): ((text: string) => number) => {
  const expected = `a whole number from ${min} to ${max}`;
  return (text) => {
    if (!/^-?[0-9]{1,20}$/.test(text)) return refuseValue(expected);
    const value = Number(text);
    // Zero is added so that "-0" is 0.
    return value >= min && value <= max ? value + 0 : refuseValue(expected);
  };
};

const integer64 = (min: bigint, max: bigint, asText: boolean): Coercer => {
  const expected = `a whole number from ${min} to ${max}`;
  return (text) => {
    if (!/^-?[0-9]{1,20}$/.test(text)) return refuseValue(expected);
    const value = BigInt(text);
    if (value < min || value > max) return refuseValue(expected);
    return asText ? value.toString() : value;
  };
};

const specialNumbers = new Map([
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
]);

const decimal =
  (max: number): Coercer =>
  (text) => {
    const special = specialNumbers.get(text);
    if (special !== undefined) return special;
    if (!/^-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/.test(text)) return refuseValue("a number");
    const value = Number(text);
    return Math.abs(value) <= max ? value : refuseValue("a number within the range of its type");
  };

const bool: Coercer = (text) => {
  if (text === "true") return true;
  if (text === "false") return false;
  return refuseValue("true or false");
};

const bytes: Coercer = (text) => {
  const digits = text.replace(/={0,2}$/, "");
  // An unencoded "+" reaches us as a space; the decoder would skip it and give other bytes.
  if (!/^[A-Za-z0-9+/_-]*$/.test(digits) || digits.length % 4 === 1) return refuseValue("base64");
  return digits === "" ? new Uint8Array(0) : base64Decode(digits);
};

const floatMax = 3.4028234663852886e38;

function scalarCoercer(scalar: ScalarType, longAsString: boolean): Coercer {
  switch (scalar) {
    case ScalarType.STRING:
      return (text) => text;
    case ScalarType.BOOL:
      return bool;
    case ScalarType.BYTES:
      return bytes;
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return integer32(-2147483648, 2147483647);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return integer32(0, 4294967295);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return integer64(-9223372036854775808n, 9223372036854775807n, longAsString);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return integer64(0n, 18446744073709551615n, longAsString);
    case ScalarType.FLOAT:
      return decimal(floatMax);
    case ScalarType.DOUBLE:
      return decimal(Number.MAX_VALUE);
  }
}

const namesShownMax = 12;

function enumCoercer(desc: DescEnum): Coercer {
  const numbers = new Map<string, number>();
  for (const value of desc.values) numbers.set(value.jsonName, value.number);
  for (const value of desc.values) numbers.set(value.name, value.number);
  const declared = new Set(desc.values.map((value) => value.number));
  const shown = desc.values.slice(0, namesShownMax).map((value) => value.name);
  const expected = `one of ${shown.join(", ")}${desc.values.length > namesShownMax ? ", …" : ""} or its number`;
  const number32 = integer32(-2147483648, 2147483647);
  return (text) => {
    const named = numbers.get(text);
    if (named !== undefined) return named;
    if (!/^-?[0-9]+$/.test(text)) return refuseValue(expected);
    const value = number32(text);
    return desc.open || declared.has(value) ? value : refuseValue(expected);
  };
}

const timestampPattern = /^(\d{4})-(\d{2})-(\d{2})T([01]\d|2[0-3]):\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/i;

const timestamp: Coercer = (text) => {
  const expected = "an RFC 3339 time such as 2026-01-31T12:00:00Z (write + as %2B)";
  const match = timestampPattern.exec(text);
  if (!match) return refuseValue(expected);
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  // Day 0 of the next month is the last of this one.
  const daysInMonth = new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();
  if (day < 1 || day > daysInMonth) return refuseValue(expected);
  try {
    return fromJson(TimestampSchema, text.toUpperCase());
  } catch {
    return refuseValue(expected);
  }
};

const duration: Coercer = (text) => {
  const expected = "a duration in seconds such as 1.5s";
  if (!/^-?\d{1,12}(?:\.\d{1,9})?s$/.test(text)) return refuseValue(expected);
  try {
    return fromJson(DurationSchema, text);
  } catch {
    return refuseValue(expected);
  }
};

const fieldMask: Coercer = (text) => {
  if (text === "") return create(FieldMaskSchema);
  if (!/^[A-Za-z0-9_.]+(?:,[A-Za-z0-9_.]+)*$/.test(text))
    return refuseValue("field paths, comma-separated, such as title,basePrice");
  // Only a capital says that it is camel case: "address_1" would lose its line on the way there and back.
  const protoPath = (path: string): string => (/[A-Z]/.test(path) ? protoSnakeCase(protoCamelCase(path)) : path);
  return create(FieldMaskSchema, { paths: text.split(",").map(protoPath) });
};

/** Messages that have a one-word text form; undefined for all others. */
export function messageCoercer(desc: DescMessage): Coercer | undefined {
  switch (desc.typeName) {
    case TimestampSchema.typeName:
      return timestamp;
    case DurationSchema.typeName:
      return duration;
    case FieldMaskSchema.typeName:
      return fieldMask;
    default:
      return undefined;
  }
}

/** Coercer of one value of a field, or of one item where it is a list; undefined where text cannot give one. */
export function fieldCoercer(field: DescField): Coercer | undefined {
  switch (field.fieldKind) {
    case "scalar":
      return scalarCoercer(field.scalar, field.longAsString);
    case "enum":
      return enumCoercer(field.enum);
    case "message":
      return isWrapperDesc(field.message) ? wrapperCoercer(field) : messageCoercer(field.message);
    case "list":
      if (field.listKind === "scalar") return scalarCoercer(field.scalar, field.longAsString);
      return field.listKind === "enum" ? enumCoercer(field.enum) : undefined;
    case "map":
      return undefined;
  }
}

function wrapperCoercer(field: DescField & { fieldKind: "message" }): Coercer | undefined {
  const value = field.message.fields[0];
  const coerce = value && fieldCoercer(value);
  if (!value || !coerce) return undefined;
  // Outside a oneof the local form of a wrapper is the bare value.
  if (!field.oneof) return coerce;
  return (text) => create(field.message, { [value.localName]: coerce(text) });
}

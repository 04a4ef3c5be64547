// A client's ProtoJSON, written by hand from https://protobuf.dev/programming-guides/json/ and by none of the libraries that read it:
// each of the forms that are allowed is taken now and then.
import { ScalarType, type DescField, type DescMessage } from "@bufbuild/protobuf";
import type { AnyTree } from "./messages.ts";
import { isRequired, scalarOf, type Tree } from "./neutral.ts";
import type { Choose } from "./choose.ts";

export function jsonOf(desc: DescMessage, tree: Tree, choose: Choose): string {
  const known = knownForms[desc.typeName];
  if (known) return known(tree, choose, desc);
  const own = desc.fields.flatMap((field) => {
    const value = tree[field.name];
    if (value !== undefined) return [entry(nameOf(field, choose), fieldJson(field, value, choose), choose)];
    return takesNull(field) && choose(20) === 0 ? [entry(nameOf(field, choose), "null", choose)] : [];
  });
  return braces(own, choose);
}

/** The other member of a oneof is not unset by null, so that only fields for themselves are asked; a Value takes null as a value. */
const takesNull = (field: DescField): boolean =>
  !field.oneof && field.message?.typeName !== "google.protobuf.Value" && !isRequired(field);

const nameOf = (field: DescField, choose: Choose): string => (choose(2) === 0 ? field.name : field.jsonName);
const space = (choose: Choose): string => (choose(8) === 0 ? " \n\t" : "");
const entry = (name: string, json: string, choose: Choose): string =>
  `${textJson(name, choose)}${space(choose)}:${space(choose)}${json}`;
const braces = (entries: string[], choose: Choose): string => `{${space(choose)}${entries.join(`,${space(choose)}`)}}`;

function fieldJson(field: DescField, value: unknown, choose: Choose): string {
  if (field.fieldKind === "list") return `[${(value as unknown[]).map((item) => singleJson(field, item, choose)).join(",")}]`;
  if (field.fieldKind !== "map") return singleJson(field, value, choose);
  const entries = [...(value as Map<unknown, unknown>)].map(([key, item]) =>
    entry(String(key), singleJson(field, item, choose), choose),
  );
  return braces(entries, choose);
}

function singleJson(field: DescField, value: unknown, choose: Choose): string {
  if (field.message) return jsonOf(field.message, value as Tree, choose);
  if (field.enum) {
    const name = field.enum.values.find(({ number }) => number === value)?.name;
    return name !== undefined && choose(3) > 0 ? JSON.stringify(name) : String(value);
  }
  return scalarJson(value, choose);
}

function scalarJson(value: unknown, choose: Choose): string {
  if (typeof value === "string") return textJson(value, choose);
  if (typeof value === "boolean") return String(value);
  if (value instanceof Uint8Array) return JSON.stringify(base64Of(value, choose));
  const isSafe = typeof value === "bigint" ? Number.isSafeInteger(Number(value)) : Number.isFinite(value);
  return isSafe && choose(2) === 0 ? String(value) : JSON.stringify(String(value));
}

/** Of the two alphabets, with padding or without. */
export function base64Of(bytes: Uint8Array, choose: Choose): string {
  const text = Buffer.from(bytes).toString(choose(2) === 0 ? "base64" : "base64url");
  if (choose(2) === 0) return text.replaceAll("=", "");
  return text.padEnd(Math.ceil(text.length / 4) * 4, "=");
}

const textJson = (text: string, choose: Choose): string =>
  choose(6) > 0
    ? JSON.stringify(text)
    : `"${Array.from({ length: text.length }, (_, index) => `\\u${text.charCodeAt(index).toString(16).padStart(4, "0")}`).join("")}"`;

/** Seconds and a fraction of no, three, six or nine digits, or as few as it needs. */
function fraction(nanos: number, choose: Choose): string {
  const digits = String(nanos).padStart(9, "0");
  if (nanos === 0) return choose(3) === 0 ? ".000" : "";
  return choose(2) === 0 ? `.${digits}` : `.${digits.replace(/0+$/, "")}`;
}

export function timestampText({ seconds = 0n, nanos = 0 }: Tree, choose: Choose): string {
  const offsetMinutes = choose(3) === 0 ? choose(28) * 30 - 390 : 0;
  const localSeconds = Number(seconds) + offsetMinutes * 60;
  // A local time outside of four digits for the year cannot be written.
  const fits = localSeconds >= -62135596800 && localSeconds <= 253402300799;
  const shown = new Date((fits ? localSeconds : Number(seconds)) * 1_000).toISOString().slice(0, 19);
  const two = (value: number): string => String(Math.abs(value)).padStart(2, "0");
  const zone =
    !fits || offsetMinutes === 0
      ? "Z"
      : `${offsetMinutes < 0 ? "-" : "+"}${two(Math.trunc(offsetMinutes / 60))}:${two(offsetMinutes % 60)}`;
  return `${shown}${fraction(nanos as number, choose)}${zone}`;
}

export function durationText({ seconds = 0n, nanos = 0 }: Tree, choose: Choose): string {
  const isNegative = (seconds as bigint) < 0n || (nanos as number) < 0;
  const whole = (seconds as bigint) < 0n ? -(seconds as bigint) : (seconds as bigint);
  return `${isNegative ? "-" : ""}${whole}${fraction(Math.abs(nanos as number), choose)}s`;
}

export const maskText = ({ paths = [] }: Tree): string =>
  (paths as string[]).map((path) => path.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())).join(",");

const wrapped = (tree: Tree, choose: Choose, desc: DescMessage): string => {
  const field = desc.fields[0] as DescField;
  return scalarJson(tree["value"] ?? zeroOf(scalarOf(field)), choose);
};

export function zeroOf(scalar: ScalarType | undefined): unknown {
  if (scalar === ScalarType.STRING) return "";
  if (scalar === ScalarType.BOOL) return false;
  return scalar === ScalarType.BYTES ? new Uint8Array(0) : 0;
}

type Form = (tree: Tree, choose: Choose, desc: DescMessage) => string;

const knownForms: Record<string, Form> = {
  ...Object.fromEntries(
    ["Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes"].map((name) => [
      `google.protobuf.${name}Value`,
      wrapped,
    ]),
  ),
  "google.protobuf.Timestamp": (tree, choose) => JSON.stringify(timestampText(tree, choose)),
  "google.protobuf.Duration": (tree, choose) => JSON.stringify(durationText(tree, choose)),
  "google.protobuf.FieldMask": (tree) => JSON.stringify(maskText(tree)),
  "google.protobuf.Struct": (tree, choose) => structJson(tree, choose),
  "google.protobuf.ListValue": (tree, choose) => listJson(tree, choose),
  "google.protobuf.Value": (tree, choose) => valueJson(tree, choose),
  "google.protobuf.Any": (tree, choose) => anyJson(tree as AnyTree, choose),
};

const structJson = ({ fields = new Map() }: Tree, choose: Choose): string =>
  braces(
    [...(fields as Map<string, Tree>)].map(([key, item]) => entry(key, valueJson(item, choose), choose)),
    choose,
  );

const listJson = ({ values = [] }: Tree, choose: Choose): string =>
  `[${(values as Tree[]).map((item) => valueJson(item, choose)).join(",")}]`;

function valueJson(tree: Tree, choose: Choose): string {
  const [[kind, value] = []] = Object.entries(tree);
  if (kind === "struct_value") return structJson(value as Tree, choose);
  if (kind === "list_value") return listJson(value as Tree, choose);
  if (kind === "string_value") return textJson(value as string, choose);
  return kind === "null_value" ? "null" : String(value);
}

function anyJson({ type_url: url, content: { desc, tree } }: AnyTree, choose: Choose): string {
  const type = `"@type":${JSON.stringify(url)}`;
  const json = jsonOf(desc, tree, choose);
  if (knownForms[desc.typeName]) return `{${type},"value":${json}}`;
  const rest = json.trim().slice(1);
  return rest.trim() === "}" ? `{${type}}` : `{${type},${rest}`;
}

// A client's paths and queries: google/api/http.proto says how fields become parameters.
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import type { Choose } from "./choose.ts";
import { base64Of, durationText, maskText, timestampText, zeroOf } from "./json-client.ts";
import { scalarOf, type Tree } from "./neutral.ts";

export interface QueryOf {
  pairs: string[];
  /** What of the tree a query can say. */
  said: Tree;
}

/** @param except Names of fields that go another way. */
export function queryOf(desc: DescMessage, tree: Tree, choose: Choose, except: readonly string[] = []): QueryOf {
  const pairs: string[] = [];
  const said: Tree = {};
  for (const field of desc.fields) {
    const value = tree[field.name];
    if (value === undefined || except.includes(field.name)) continue;
    const name = encodeURIComponent(choose(2) === 0 ? field.name : field.jsonName);
    const items = field.fieldKind === "list" ? (value as unknown[]) : [value];
    const texts = items.map((item) => leafText(field, item, choose));
    // Maps and lists of messages have no parameters, whatever is in them.
    if (field.fieldKind === "map" || (field.fieldKind === "list" && field.message)) continue;
    if (texts.every((text) => text !== undefined)) {
      if (items.length > 0) said[field.name] = value;
      pairs.push(...texts.map((text) => `${name}=${encoded(text, choose)}`));
    } else if (field.fieldKind === "message" && !field.message.typeName.startsWith("google.protobuf.")) {
      const below = queryOf(field.message, value as Tree, choose);
      if (below.pairs.length > 0) said[field.name] = below.said;
      pairs.push(...below.pairs.map((pair) => `${name}.${pair}`));
    }
  }
  return { pairs, said };
}

/** Everything but letters and digits may be encoded; a space may be a plus. */
function encoded(text: string, choose: Choose): string {
  const whole = encodeURIComponent(text);
  return choose(2) === 0 ? whole.replaceAll("%20", "+") : whole;
}

/** One value as text; undefined where there is no such text. */
export function leafText(field: DescField, value: unknown, choose: Choose): string | undefined {
  const { message } = field;
  if (message) {
    const tree = value as Tree;
    if (
      /^google\.protobuf\.\w+Value$/.test(message.typeName) &&
      message.fields.length === 1 &&
      message.fields[0]?.name === "value"
    ) {
      const inner = message.fields[0];
      return scalarText(tree["value"] ?? zeroOf(scalarOf(inner)), choose);
    }
    if (message.typeName === "google.protobuf.Timestamp") return timestampText(tree, choose);
    if (message.typeName === "google.protobuf.Duration") return durationText(tree, choose);
    if (message.typeName !== "google.protobuf.FieldMask") return undefined;
    return choose(2) === 0 ? maskText(tree) : (tree["paths"] as string[]).join(",");
  }
  const name = field.enum?.values.find(({ number }) => number === value)?.name;
  return name !== undefined && choose(2) === 0 ? name : scalarText(value, choose);
}

const scalarText = (value: unknown, choose: Choose): string =>
  value instanceof Uint8Array ? base64Of(value, choose) : String(value);

/** One segment of a path. */
export const segmentOf = (field: DescField, value: unknown, choose: Choose): string =>
  encodeURIComponent(leafText(field, value, choose) ?? "");

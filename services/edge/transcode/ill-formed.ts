// Halves of surrogate pairs: JSON can write them, UTF-8 and protobuf cannot, and what nobody can send on must not become another text.
import type { JsonValue } from "@bufbuild/protobuf";
import type { JsonPath } from "./json-scan.ts";
import { isJsonObject } from "./json-value.ts";

const findingsMax = 100;

/** A body came as UTF-8, so that only an escape can have written a half. */
const escapedSurrogate = /\\u[dD][89a-fA-F]/;

/** Paths of texts and keys that are none; undefined where there is none, which is nearly always. */
export function illFormedTexts(text: string, json: JsonValue): JsonPath[] | undefined {
  if (!escapedSurrogate.test(text)) return undefined;
  const found: JsonPath[] = [];
  visit(json, [], found);
  return found.length > 0 ? found : undefined;
}

function visit(json: JsonValue, path: JsonPath, found: JsonPath[]): void {
  if (found.length >= findingsMax) return;
  if (typeof json === "string") {
    if (!json.isWellFormed()) found.push(path);
  } else if (Array.isArray(json)) {
    for (const [index, item] of json.entries()) visit(item, [...path, index], found);
  } else if (isJsonObject(json)) {
    for (const [key, item] of Object.entries(json)) {
      if (key.isWellFormed()) visit(item, [...path, key], found);
      // The key itself cannot be told.
      else found.push(path);
    }
  }
}

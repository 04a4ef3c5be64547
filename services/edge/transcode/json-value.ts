// JSON values told apart.
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";

export function isJsonObject(json: JsonValue | undefined): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}

/** JSON.parse with a type that says what it gives. */
export function parseJsonText(text: string): JsonValue {
  const json: JsonValue = JSON.parse(text);
  return json;
}

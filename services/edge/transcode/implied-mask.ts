// PATCH without update_mask changes what the body names. AIP-134.
import { create, isMessage, type DescMessage, type JsonValue } from "@bufbuild/protobuf";
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import type { Fields } from "./field-path.ts";
import { isJsonObject, parseJsonText } from "./json-value.ts";

/** Sets the mask of a request that has none, from the text of its body. */
export type MaskBinder = (text: string, message: Fields) => void;

/** Undefined where the method is not one: PATCH, with the resource as its body, and update_mask beside it. */
export function compileImpliedMask(input: DescMessage, httpMethod: string, body: string): MaskBinder | undefined {
  const mask = input.fields.find(({ name }) => name === "update_mask");
  const resource = input.fields.find(({ name }) => name === body);
  if (httpMethod !== "PATCH" || !resource || resource.fieldKind !== "message") return undefined;
  if (mask?.fieldKind !== "message" || mask.message.typeName !== FieldMaskSchema.typeName) return undefined;
  return function bindImpliedMask(text, message) {
    const given = message[mask.localName];
    if (text === "" || (isMessage(given, FieldMaskSchema) && given.paths.length > 0)) return;
    message[mask.localName] = create(FieldMaskSchema, { paths: pathsOf(resource.message, parseJsonText(text)) });
  };
}

/** The fields that an object names, by their proto names. A message in it is taken as a whole. */
function pathsOf(message: DescMessage, json: JsonValue): string[] {
  if (!isJsonObject(json)) return [];
  return Object.keys(json).flatMap(
    (key) => message.fields.find(({ name, jsonName }) => key === jsonName || key === name)?.name ?? [],
  );
}

// Path variables to request fields. They are written last, so that nothing else in a request can override what the path
// said: access is decided on it.
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { CoercionError, fieldCoercer } from "./coerce.ts";
import { childOf, resolveFieldPath, setField, type Fields } from "./field-path.ts";
import { decodeSegment, decodeSegments } from "./percent.ts";
import type { Template } from "./template.ts";
import type { Violations } from "./violations.ts";

export type PathBinder = (segments: readonly string[], message: Fields, violations: Violations) => void;

/** Compiles the variables of a template; what does not fit the request message becomes a problem. */
export function compilePath(input: DescMessage, template: Template, problems: string[]): PathBinder {
  const bindings = template.variables.flatMap((variable) => {
    const fields = resolveFieldPath(input, variable.fieldPath);
    const field = fields?.at(-1);
    if (!fields || !field) {
      problems.push(`path variable "${variable.fieldPath}" is not a field of ${input.typeName}`);
      return [];
    }
    const coerce = field.fieldKind === "scalar" || field.fieldKind === "enum" ? fieldCoercer(field) : undefined;
    if (!coerce) {
      problems.push(`path variable "${variable.fieldPath}" must be a scalar that is not repeated`);
      return [];
    }
    const parents = fields.slice(0, -1).filter((parent) => parent.fieldKind === "message");
    return [{ ...variable, parents, field, coerce, decode: variable.multiple ? decodeSegments : decodeSegment }];
  });

  return function bindPath(segments, message, violations) {
    for (const { fieldPath, start, end, parents, field, coerce, decode } of bindings) {
      const raw = end === start + 1 ? (segments[start] ?? "") : segments.slice(start, end).join("/");
      const text = decode(raw);
      if (text === undefined) {
        violations.add(fieldPath, "is not percent-encoded UTF-8");
        continue;
      }
      try {
        setField(parents.reduce<Fields>(childOf, message), field, coerce(text));
      } catch (error) {
        if (!(error instanceof CoercionError)) throw error;
        violations.add(fieldPath, error.message);
      }
    }
  };
}

/** Proto paths that a query may not name because the path sets them, or another member of their oneof. */
export function takenByPath(input: DescMessage, template: Template): Map<string, string> {
  const taken = new Map<string, string>();
  for (const { fieldPath } of template.variables) {
    let parentPath = "";
    for (const field of resolveFieldPath(input, fieldPath) ?? []) {
      for (const rival of rivalsOf(field)) taken.set(`${parentPath}${rival.name}`, `excludes ${fieldPath}, which the path sets`);
      parentPath += `${field.name}.`;
    }
    taken.set(fieldPath, "is set by the path");
  }
  return taken;
}

const rivalsOf = (field: DescField): DescField[] => field.oneof?.fields.filter((member) => member !== field) ?? [];

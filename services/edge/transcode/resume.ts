// How a stream goes on after a cut connection: one of its fields is the event id, and a field of the request takes the last.
import type { DescField, DescMethod, Message } from "@bufbuild/protobuf";
import { CoercionError, fieldCoercer } from "./coerce.ts";
import { setField, type Fields } from "./field-path.ts";
import { policyOf } from "./method-policy.ts";
import type { Violations } from "./violations.ts";

export interface Resume {
  /** The event id of a streamed message; undefined where it has none. */
  idOf: (message: Message) => string | undefined;
  /** Takes Last-Event-ID; it is newer than what the address says, because a browser repeats the address unchanged. */
  bind: (lastEventId: string, message: Fields, violations: Violations) => void;
}

export function compileResume(method: DescMethod, taken: ReadonlyMap<string, string>, problems: string[]): Resume | undefined {
  const { resume } = policyOf(method);
  if (!resume) return undefined;
  if (method.methodKind !== "server_streaming") {
    problems.push("resume is for server streams only");
    return undefined;
  }
  const idField = scalarField(method.output.fields, resume.idField);
  const requestField = scalarField(method.input.fields, resume.requestField);
  const coerce = requestField && fieldCoercer(requestField);
  if (!idField) problems.push(`resume.id_field "${resume.idField}" is not a scalar field of ${method.output.typeName}`);
  if (!requestField)
    problems.push(`resume.request_field "${resume.requestField}" is not a scalar field of ${method.input.typeName}`);
  if (taken.has(resume.requestField))
    problems.push(`resume.request_field "${resume.requestField}" ${taken.get(resume.requestField)}`);
  if (!idField || !requestField || !coerce) return undefined;

  return {
    idOf(message) {
      const fields: Fields = message;
      const value = fields[idField.localName];
      const text =
        typeof value === "string" ? value : typeof value === "bigint" || typeof value === "number" ? value.toString() : "";
      // A line break or a NUL would end or void the id.
      return text === "" || /[\r\n\0]/.test(text) ? undefined : text;
    },
    bind(lastEventId, message, violations) {
      try {
        setField(message, requestField, coerce(lastEventId));
      } catch (error) {
        if (!(error instanceof CoercionError)) throw error;
        violations.add("Last-Event-ID", error.message);
      }
    },
  };
}

function scalarField(fields: readonly DescField[], name: string): (DescField & { fieldKind: "scalar" }) | undefined {
  const field = fields.find((candidate) => candidate.name === name);
  return field?.fieldKind === "scalar" && !field.oneof ? field : undefined;
}

// JSON bodies to request messages.
import { create, fromJson, type DescMessage, type JsonValue, type Message, type Registry } from "@bufbuild/protobuf";
import { illFormedTexts } from "./ill-formed.ts";
import { diagnoseJson, isFloatingPoint } from "./json-diagnose.ts";
import { printJsonPath, scanJson, type JsonFindings, type JsonPath } from "./json-scan.ts";
import { parseJsonText } from "./json-value.ts";
import { EdgeRefusal, rpcCode } from "./status.ts";
import type { Violations } from "./violations.ts";

/** Makes the request message from a body; an empty body sets nothing. */
export type BodyBinder = (text: string, violations: Violations) => Message;

/** Compiles the body of a route: "" for none, "*" for the whole message, else the name of a field. */
export function compileBody(input: DescMessage, body: string, registry: Registry, problems: string[]): BodyBinder {
  if (body === "") return () => create(input);
  const field = body === "*" ? undefined : input.fields.find((candidate) => candidate.name === body);
  if (body !== "*") {
    if (!field) problems.push(`body "${body}" is not a field of ${input.typeName}`);
    else if (field.fieldKind === "list" || field.fieldKind === "map") problems.push(`body "${body}" must not be repeated`);
  }
  const options = { registry };

  return function bindBody(text, violations) {
    if (text === "") return create(input);
    const parsed = parseJson(text);
    const json = field ? { [field.name]: parsed } : parsed;
    const findings = scanJson(text);
    if (findings?.tooDeep) {
      violations.add("", "is nested too deeply");
      return create(input);
    }
    if (findings) reportFindings(findings, input, field ? [field.name] : [], violations);
    try {
      const message = fromJson(input, json, options);
      for (const path of illFormedTexts(text, json) ?? []) violations.add(printJsonPath(path), "has half of a surrogate pair");
      return message;
    } catch {
      const known = violations.list.length;
      diagnoseJson(input, json, registry, violations);
      if (violations.list.length === known) violations.add("", "does not fit the request");
    }
    return create(input);
  };
}

function parseJson(text: string): JsonValue {
  try {
    return parseJsonText(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : "not JSON";
    throw new EdgeRefusal(rpcCode.invalidArgument, "MALFORMED_JSON", `the body is not valid JSON: ${why.slice(0, 300)}`);
  }
}

function reportFindings(findings: JsonFindings, input: DescMessage, prefix: JsonPath, violations: Violations): void {
  for (const path of findings.duplicates) violations.add(printJsonPath([...prefix, ...path]), "is given twice");
  for (const path of findings.unsafeIntegers) {
    const full = [...prefix, ...path];
    if (isFloatingPoint(input, full)) continue;
    violations.add(printJsonPath(full), "is an integer beyond 2^53, which JSON numbers round; write it in quotes");
  }
}

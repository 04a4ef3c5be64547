// Each example of the document is a request that its contract takes, and says more than nothing.
import { readFile } from "node:fs/promises";
import { fromJson, getOption, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { expect, test } from "vitest";
import { http } from "#gen/google/api/annotations_pb.ts";
import { restRoutes, rpcs } from "../access/surface.ts";

interface Operation {
  operationId: string;
  parameters: { name: string; in: string; example?: JsonValue }[];
  requestBody?: { content: Record<string, { example?: JsonValue }> };
}

const text = await readFile(new URL("../../gen/openapi/openapi.json", import.meta.url), "utf8");
const { paths } = JSON.parse(text) as { paths: Record<string, Record<string, Operation>> };
const operations = Object.values(paths).flatMap((item) => Object.values(item));
const validator = createValidator();

/** The request that the examples of an operation make together. */
function requestOf({ operationId, parameters, requestBody }: Operation) {
  const [, service, name, index = "1"] = /^(\w+?)_(\w+?)(?:_(\d+))?$/.exec(operationId) ?? [];
  const method = rpcs.find((rpc) => rpc.name === `${service}/${name}`)?.method;
  if (!method) throw new Error(`there is no method for ${operationId}`);
  const main = getOption(method, http);
  const { body } = [main, ...main.additionalBindings][Number(index) - 1] ?? main;
  const example = requestBody?.content["application/json"]?.example;
  const field = method.input.fields.find((each) => each.name === body);
  // Bytes as they are have no example.
  const request: JsonObject = field ? { [field.jsonName]: example ?? {} } : { ...(example as JsonObject | undefined) };
  // Paths that differ by the names of their variables alone have one name in the document.
  const template = restRoutes.filter((route) => route.method === method)[Number(index) - 1]?.template ?? "";
  const variables = [...template.matchAll(/\{([\w.]+)/g)].map(([, variable = ""]) => variable.split(".").map(jsonName));
  for (const { name: parameter, in: place, example: value } of parameters) {
    if (value !== undefined) put(request, (place === "path" && variables.shift()) || parameter.split("."), value);
  }
  return { method, request };
}

const jsonName = (name: string): string => name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());

function put(into: JsonObject, [name = "", ...more]: string[], value: JsonValue): void {
  if (more.length === 0) into[name] = value;
  else put((into[name] ??= {}) as JsonObject, more, value);
}

test.each(operations)("$operationId has an example that is taken", (operation) => {
  const { method, request } = requestOf(operation);
  const message = fromJson(method.input, request);
  const { violations = [] } = validator.validate(method.input, message);
  expect(violations.map((violation) => violation.toString())).toEqual([]);
});

test("a body has an example wherever one must be sent", () => {
  const without = operations.filter(({ requestBody }) => {
    const json = requestBody?.content["application/json"];
    return json !== undefined && json.example === undefined;
  });
  expect(without.map(({ operationId }) => operationId)).toEqual([]);
});

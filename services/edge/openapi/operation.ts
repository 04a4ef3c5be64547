// One HTTP rule as an operation of OpenAPI.
import { getOption, type DescField, type DescMessage, type DescMethod } from "@bufbuild/protobuf";
import { method as methodPolicy } from "#gen/ordermesh/options/v1/options_pb.ts";
import { fieldCoercer } from "../transcode/coerce.ts";
import { compileEtag } from "../transcode/etag.ts";
import { resolveFieldPath } from "../transcode/field-path.ts";
import { isHttpBody, isHttpBodyField } from "../transcode/http-body.ts";
import { takenByPath } from "../transcode/path.ts";
import { compileIdempotencyKey } from "../transcode/request-headers.ts";
import type { Template } from "../transcode/template.ts";
import { firstSentence, type CommentOf } from "./comments.ts";
import { exampleOfField, exampleOfFields } from "./examples.ts";
import { isRequired } from "./rules.ts";
import { described, type Schema, type Schemas } from "./schema.ts";

export interface Binding {
  method: DescMethod;
  httpMethod: string;
  template: Template;
  body: string;
  responseBody: string;
  /** 0 for the rule itself, from 1 on for its additional bindings. */
  index: number;
}

export interface Writing {
  schemas: Schemas;
  commentOf: CommentOf;
}

/** The path as OpenAPI writes it. A variable of several segments is one parameter, whose value may have slashes. */
export function pathOf(input: DescMessage, { segments, variables, verb }: Template): string {
  const parts: string[] = [];
  for (let index = 0; index < segments.length;) {
    const variable = variables.find(({ start }) => start === index);
    const segment = segments[index];
    if (variable) {
      parts.push(`{${jsonPath(input, variable.fieldPath)}}`);
      index = variable.end ?? segments.length;
    } else {
      parts.push(segment?.kind === "literal" ? segment.text : `{segment${index + 1}}`);
      index += 1;
    }
  }
  return `/${parts.join("/")}${verb === "" ? "" : `:${verb}`}`;
}

const jsonPath = (input: DescMessage, fieldPath: string): string =>
  (resolveFieldPath(input, fieldPath) ?? []).map(({ jsonName }) => jsonName).join(".");

export function operationOf(binding: Binding, writing: Writing): Schema {
  const { method, index } = binding;
  const comment = writing.commentOf(method);
  const summary = firstSentence(comment) || method.name;
  const { access } = getOption(method, methodPolicy);
  const who = access && access.roles.length > 0 ? `For: ${access.roles.join(", ")}.` : "";
  return {
    operationId: `${method.parent.name}_${method.name}${index === 0 ? "" : `_${index + 1}`}`,
    summary: index === 0 ? summary : `${summary} (alias)`,
    description: [comment, who].filter((text) => text !== "").join("\n\n"),
    tags: [method.parent.name],
    ...(method.deprecated ? { deprecated: true } : {}),
    ...(access ? { security: access.public ? [] : [{ oauth2: access.scopes }, { bearer: [] }] } : {}),
    parameters: [...pathParameters(binding, writing), ...queryParameters(binding, writing), ...headerParameters(binding)],
    ...requestBodyOf(binding, writing),
    responses: responsesOf(binding, writing),
  };
}

function pathParameters({ method: { input }, template }: Binding, { schemas, commentOf }: Writing): Schema[] {
  const wildcards = template.segments.flatMap(({ kind }, index) => {
    const isNamed = template.variables.some(({ start, end }) => index >= start && (end === undefined || index < end));
    return kind === "literal" || isNamed
      ? []
      : [{ name: `segment${index + 1}`, in: "path", required: true, schema: { type: "string" } }];
  });
  const named = template.variables.flatMap(({ fieldPath }) => {
    const field = resolveFieldPath(input, fieldPath)?.at(-1);
    if (!field) return [];
    return [
      described(
        {
          name: jsonPath(input, fieldPath),
          in: "path",
          required: true,
          schema: schemas.ofField(field),
          example: exampleOfField(field),
        },
        commentOf(field),
      ),
    ];
  });
  return [...named, ...wildcards];
}

interface Leaf {
  name: string;
  field: DescField;
}

function queryParameters(binding: Binding, { schemas, commentOf }: Writing): Schema[] {
  const { method, template, body } = binding;
  if (body === "*") return [];
  const taken = new Set(takenByPath(method.input, template).keys());
  if (body !== "") taken.add(body);
  return leavesOf(method.input, taken).map(({ name, field }) => {
    const isAsked = isRequired(field) && !isOwner(method, field) && !name.includes(".");
    const needed = isAsked ? { required: true, example: exampleOfField(field) } : {};
    const parameter = { name, in: "query", ...needed, schema: schemas.ofField(field) };
    return described(parameter, commentOf(field));
  });
}

/** What a query can name: as transcode/query.ts has it. */
function leavesOf(message: DescMessage, taken: ReadonlySet<string>, above: readonly DescField[] = []): Leaf[] {
  return message.fields.flatMap((field): Leaf[] => {
    const way = [...above, field];
    if (taken.has(way.map(({ name }) => name).join("."))) return [];
    const isPlainMessage = field.fieldKind === "message" && !fieldCoercer(field);
    if (!isPlainMessage) return fieldCoercer(field) ? [{ name: way.map(({ jsonName }) => jsonName).join("."), field }] : [];
    // A message that has itself in it would never end.
    const isInItself = field.message === message || above.some((each) => each.message === field.message);
    return isInItself ? [] : leavesOf(field.message, taken, way);
  });
}

/** The owner is filled in from the caller's token where it is left out. */
const isOwner = (method: DescMethod, field: DescField): boolean =>
  field.name === getOption(method, methodPolicy).access?.ownerField;

function headerParameters({ method, httpMethod }: Binding): Schema[] {
  const names = getOption(method, methodPolicy).requestHeaders.map((name) => ({ name, description: "" }));
  if (compileIdempotencyKey(method.input) && httpMethod !== "GET") {
    names.push({ name: "Idempotency-Key", description: "Stands for requestId: a repeat gets the first answer." });
  }
  const reads = httpMethod === "GET";
  if (reads && method.output.fields.length > 0 && hasEtag(method)) {
    names.push({ name: "If-None-Match", description: "The ETag of what the caller has: if it still is, the answer is 304." });
  }
  if (!reads && method.input.fields.some(({ name }) => name === "etag")) {
    names.push({
      name: "If-Match",
      description: "The ETag of what is to be changed: if it is another by now, the answer is 412.",
    });
  }
  return names.map(({ name, description }) => described({ name, in: "header", schema: { type: "string" } }, description));
}

const hasEtag = (method: DescMethod): boolean =>
  [undefined, ...method.output.fields].some((field) => compileEtag(method.output, field) !== undefined);

function requestBodyOf({ method, template, body }: Binding, { schemas }: Writing): Schema {
  if (body === "") return {};
  const { input } = method;
  const field = input.fields.find(({ name }) => name === body);
  if ((body === "*" && isHttpBody(input)) || isHttpBodyField(field)) {
    return { requestBody: { required: true, content: { "*/*": { schema: {} } } } };
  }
  const inPath = new Set(template.variables.map(({ fieldPath }) => fieldPath));
  const rest = input.fields.filter(({ name }) => !inPath.has(name));
  const schema = field ? schemas.ofField(field) : schemas.ofFields(rest, (each) => isOwner(method, each));
  const isNeeded = field ? isRequired(field) : schema["required"] !== undefined;
  const example = field ? exampleOfField(field) : exampleOfFields(rest);
  return { requestBody: { ...(isNeeded ? { required: true } : {}), content: { "application/json": { schema, example } } } };
}

function responsesOf(binding: Binding, writing: Writing): Schema {
  const { method, httpMethod } = binding;
  const { successStatus } = getOption(method, methodPolicy);
  const status = String(successStatus === 0 ? 200 : successStatus);
  const isKnown = httpMethod === "GET" && hasEtag(method);
  return {
    [status]: { description: writing.commentOf(method.output) || "The answer", ...contentOf(binding, writing) },
    ...(isKnown ? { "304": { description: "It is as the caller knows it" } } : {}),
    "4XX": { $ref: "#/components/responses/Refused" },
    "5XX": { $ref: "#/components/responses/Failed" },
  };
}

function contentOf({ method, responseBody }: Binding, { schemas }: Writing): Schema {
  const { output } = method;
  if (getOption(method, methodPolicy).successStatus === 204) return {};
  const field = output.fields.find(({ name }) => name === responseBody);
  if ((responseBody === "" && isHttpBody(output)) || isHttpBodyField(field)) return { content: { "*/*": { schema: {} } } };
  const schema = field ? schemas.ofField(field) : schemas.refOf(output);
  if (method.methodKind !== "server_streaming") return { content: { "application/json": { schema } } };
  return { content: { "application/x-ndjson": { schema }, "text/event-stream": { schema } } };
}

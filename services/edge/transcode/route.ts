// Compiles the google.api.http annotations of all methods into routes, once at start. A contract that cannot be served does
// not start; every problem names its method.
import { METHODS } from "node:http";
import {
  getOption,
  hasOption,
  toJson,
  type DescField,
  type DescMessage,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type DescService,
  type Message,
  type Registry,
} from "@bufbuild/protobuf";
import { http } from "#gen/google/api/annotations_pb.ts";
import type { HttpRule } from "#gen/google/api/http_pb.ts";
import { compileBody, type BodyBinder } from "./body.ts";
import {
  compileBytes,
  compileBytesOf,
  hasHttpBodyInside,
  isHttpBody,
  isHttpBodyField,
  type BytesBinder,
  type BytesOf,
} from "./http-body.ts";
import { compileEtag, compileIfMatch, type ConditionBinder, type EtagOf } from "./etag.ts";
import { compileImpliedMask, type MaskBinder } from "./implied-mask.ts";
import { isJsonObject } from "./json-value.ts";
import { policyOf } from "./method-policy.ts";
import { compilePath, takenByPath, type PathBinder } from "./path.ts";
import { compileQuery, refuseQuery, type QueryBinder } from "./query.ts";
import { compileIdempotencyKey, type IdempotencyBinder } from "./request-headers.ts";
import { compileRequired, type RequiredCheck } from "./required.ts";
import { compileResume, type Resume } from "./resume.ts";
import { createRoutingTree, type RoutingTree } from "./routing-tree.ts";
import { parseTemplate, TemplateError, type Template } from "./template.ts";

export interface Route {
  method: DescMethodUnary | DescMethodServerStreaming;
  body: BodyRule;
  bindQuery: QueryBinder;
  bindPath: PathBinder;
  bindIdempotencyKey: IdempotencyBinder | undefined;
  bindIfMatch: ConditionBinder;
  /** For PATCH of a resource with update_mask beside it. */
  bindImpliedMask: MaskBinder | undefined;
  /** Where the request may have required fields. */
  checkRequired: RequiredCheck | undefined;
  successStatus: number;
  answer: AnswerRule;
  /** Where an answer has an etag. */
  etagOf: EtagOf | undefined;
  /** Headers of the request, in lower case, that this method wants to see. */
  requestHeaders: readonly string[];
  /** For server streams that say how they resume. */
  resume: Resume | undefined;
}

export type BodyRule = { takes: "nothing" | "json"; bind: BodyBinder } | { takes: "bytes"; bind: BytesBinder };

/** What is answered: the response, or the field of it that response_body names. */
export type AnswerRule = { gives: "json"; print: (response: Message) => string } | { gives: "bytes"; bytesOf: BytesOf };

/** Contracts whose HTTP rules cannot be served; one line a problem. */
export class ContractError extends Error {
  override readonly name = "ContractError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.problems = problems;
  }
}

export function compileRoutes(services: readonly DescService[], registry: Registry): RoutingTree<Route> {
  const tree = createRoutingTree<Route>();
  const problems: string[] = [];
  for (const method of services.flatMap((service) => service.methods)) {
    if (!hasOption(method, http)) continue;
    const ownProblems: string[] = [];
    for (const rule of bindingsOf(getOption(method, http), ownProblems)) addRoute(method, rule, registry, tree, ownProblems);
    problems.push(...ownProblems.map((problem) => `${nameOf(method)}: ${problem}`));
  }
  if (problems.length > 0) throw new ContractError(problems);
  return tree;
}

const nameOf = (method: DescMethod): string => `${method.parent.typeName}.${method.name}`;

export function bindingsOf(rule: HttpRule, problems: string[]): HttpRule[] {
  if (rule.additionalBindings.some((binding) => binding.additionalBindings.length > 0)) {
    problems.push("additional_bindings must not have additional_bindings");
  }
  return [rule, ...rule.additionalBindings];
}

/** Methods that the edge answers itself or that cannot carry a call. */
const reservedMethods = new Set(["HEAD", "OPTIONS", "CONNECT", "TRACE"]);

export function patternOf(rule: HttpRule): { httpMethod: string; path: string } | string {
  switch (rule.pattern.case) {
    case "get":
    case "put":
    case "post":
    case "delete":
    case "patch":
      return { httpMethod: rule.pattern.case.toUpperCase(), path: rule.pattern.value };
    case "custom": {
      const { kind, path } = rule.pattern.value;
      if (!METHODS.includes(kind) || reservedMethods.has(kind)) return `"${kind}" is not an HTTP method that a rule may have`;
      return { httpMethod: kind, path };
    }
    case undefined:
      return "the rule has no path";
  }
}

function addRoute(method: DescMethod, rule: HttpRule, registry: Registry, tree: RoutingTree<Route>, problems: string[]): void {
  const pattern = patternOf(rule);
  if (typeof pattern === "string") {
    problems.push(pattern);
    return;
  }
  const { httpMethod, path } = pattern;
  const template = tryParse(path, problems);
  if (!template) return;
  const before = problems.length;
  const route = compileRoute(method, { rule, httpMethod }, template, registry, problems);
  if (rule.body !== "" && (httpMethod === "GET" || httpMethod === "DELETE")) problems.push(`${httpMethod} must not have a body`);
  if (!route || problems.length > before) return;
  const previous = tree.add(httpMethod, template, route);
  if (previous) problems.push(`${httpMethod} ${path} is already a route of ${nameOf(previous.method)}`);
}

function tryParse(path: string, problems: string[]): Template | undefined {
  try {
    return parseTemplate(path);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    problems.push(`path "${path}": ${error.message}`);
    return undefined;
  }
}

function compileRoute(
  method: DescMethod,
  { rule, httpMethod }: { rule: HttpRule; httpMethod: string },
  template: Template,
  registry: Registry,
  problems: string[],
): Route | undefined {
  if (!isServed(method)) {
    problems.push("a client stream cannot be called over REST");
    return undefined;
  }
  const { input } = method;
  const taken = takenByPath(input, template);
  if (taken.get(rule.body) === "is set by the path") problems.push(`body "${rule.body}" is also in the path`);
  const body = compileBodyRule(input, rule.body, registry, problems);
  if (rule.body !== "") taken.set(rule.body, "is set by the body");
  return {
    method,
    body,
    bindQuery: rule.body === "*" ? refuseQuery : compileQuery(input, taken),
    bindPath: compilePath(input, template, problems),
    bindIdempotencyKey: compileIdempotencyKey(input),
    bindIfMatch: compileIfMatch(input),
    bindImpliedMask: compileImpliedMask(input, httpMethod, rule.body),
    checkRequired: compileRequired(input),
    successStatus: successStatusOf(method, problems),
    answer: compileAnswer(method, rule.responseBody, registry, problems),
    etagOf: compileEtag(method.output, fieldNamed(method.output, rule.responseBody)),
    requestHeaders: requestHeadersOf(method, problems),
    resume: compileResume(method, taken, problems),
  };
}

const isServed = (method: DescMethod): method is Route["method"] =>
  method.methodKind === "unary" || method.methodKind === "server_streaming";

const fieldNamed = (message: DescMessage, name: string): DescField | undefined =>
  message.fields.find((field) => field.name === name);

const bytesInJson = "google.api.HttpBody must be the whole message, the body or the response_body";

function compileBodyRule(input: DescMessage, body: string, registry: Registry, problems: string[]): BodyRule {
  const field = fieldNamed(input, body);
  const isBytes = (body === "*" && isHttpBody(input)) || isHttpBodyField(field);
  if (hasHttpBodyInside(input, isBytes ? field : undefined) || (isHttpBody(input) && !isBytes)) problems.push(bytesInJson);
  if (isBytes) return { takes: "bytes", bind: compileBytes(input, field) };
  return { takes: body === "" ? "nothing" : "json", bind: compileBody(input, body, registry, problems) };
}

/** These say who calls, or how the request travels; they are not a method's to ask for. */
const reservedHeaders = new Set(["authorization", "cookie", "host", "connection", "content-length", "transfer-encoding", "te"]);

function requestHeadersOf(method: DescMethod, problems: string[]): readonly string[] {
  const { requestHeaders } = policyOf(method);
  for (const name of requestHeaders) {
    if (!/^[a-z0-9-]+$/.test(name) || reservedHeaders.has(name)) problems.push(`request_headers must not have "${name}"`);
  }
  return requestHeaders;
}

function compileAnswer(method: DescMethod, responseBody: string, registry: Registry, problems: string[]): AnswerRule {
  const { output } = method;
  const field = fieldNamed(output, responseBody);
  const isBytes = (responseBody === "" && isHttpBody(output)) || isHttpBodyField(field);
  if (hasHttpBodyInside(output, isBytes ? field : undefined) || (isHttpBody(output) && !isBytes)) problems.push(bytesInJson);
  if (isBytes) return { gives: "bytes", bytesOf: compileBytesOf(field) };
  return { gives: "json", print: compilePrint(method, responseBody, registry, problems) };
}

function successStatusOf(method: DescMethod, problems: string[]): number {
  const status = policyOf(method).successStatus;
  if (status === 0) return 200;
  if (status < 200 || status > 299) problems.push(`success_status ${status} is not from 200 to 299`);
  return status;
}

/**
 * Answers print implicit fields too: a REST caller finds the empty list, the zero and the "" where the contract says that
 * there is a field, instead of having to know protobuf's rule for leaving them out. What has presence and is unset stays out.
 */
function compilePrint(
  method: DescMethod,
  responseBody: string,
  registry: Registry,
  problems: string[],
): (response: Message) => string {
  const { output } = method;
  const options = { registry, alwaysEmitImplicit: true };
  const field = fieldNamed(output, responseBody);
  if (responseBody !== "" && !field) problems.push(`response_body "${responseBody}" is not a field of ${output.typeName}`);
  const printed = field ? (field.fieldKind === "message" ? field.message : undefined) : output;
  if (method.methodKind === "server_streaming" && printed?.fields.some((candidate) => candidate.jsonName === "error")) {
    problems.push('a streamed message must not have a field "error": the last record of a failed stream has it');
  }
  if (!field) return (response) => JSON.stringify(toJson(output, response, options));
  return (response) => {
    const json = toJson(output, response, options);
    return JSON.stringify(isJsonObject(json) ? (json[field.jsonName] ?? null) : null);
  };
}

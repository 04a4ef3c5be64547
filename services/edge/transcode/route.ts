// Compiles the google.api.http annotations of all methods into routes, once at start. A contract that cannot be served does
// not start; every problem names its method.
import { METHODS } from "node:http";
import {
  getOption,
  hasOption,
  toJson,
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
import { HttpBodySchema } from "#gen/google/api/httpbody_pb.ts";
import { method as methodPolicy } from "#gen/ordermesh/options/v1/options_pb.ts";
import { compileBody, type BodyBinder } from "./body.ts";
import { isJsonObject } from "./json-value.ts";
import { compilePath, takenByPath, type PathBinder } from "./path.ts";
import { compileQuery, refuseQuery, type QueryBinder } from "./query.ts";
import { compileIdempotencyKey, type IdempotencyBinder } from "./request-headers.ts";
import { compileResume, type Resume } from "./resume.ts";
import { createRoutingTree, type RoutingTree } from "./routing-tree.ts";
import { parseTemplate, TemplateError, type Template } from "./template.ts";

export interface Route {
  method: DescMethodUnary | DescMethodServerStreaming;
  takesBody: boolean;
  bindBody: BodyBinder;
  bindQuery: QueryBinder;
  bindPath: PathBinder;
  bindIdempotencyKey: IdempotencyBinder | undefined;
  successStatus: number;
  /** The answer's JSON: the response, or the field of it that response_body names. */
  print: (response: Message) => string;
  /** For server streams that say how they resume. */
  resume: Resume | undefined;
}

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

function bindingsOf(rule: HttpRule, problems: string[]): HttpRule[] {
  if (rule.additionalBindings.some((binding) => binding.additionalBindings.length > 0)) {
    problems.push("additional_bindings must not have additional_bindings");
  }
  return [rule, ...rule.additionalBindings];
}

/** Methods that the edge answers itself or that cannot carry a call. */
const reservedMethods = new Set(["HEAD", "OPTIONS", "CONNECT", "TRACE"]);

function patternOf(rule: HttpRule): { httpMethod: string; path: string } | string {
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
  const route = compileRoute(method, rule, template, registry, problems);
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
  rule: HttpRule,
  template: Template,
  registry: Registry,
  problems: string[],
): Route | undefined {
  if (!isServed(method)) {
    problems.push("a client stream cannot be called over REST");
    return undefined;
  }
  const { input, output } = method;
  if (carriesHttpBody(input) || carriesHttpBody(output)) problems.push("google.api.HttpBody is not served yet");
  const taken = takenByPath(input, template);
  if (taken.get(rule.body) === "is set by the path") problems.push(`body "${rule.body}" is also in the path`);
  const bindBody = compileBody(input, rule.body, registry, problems);
  if (rule.body !== "") taken.set(rule.body, "is set by the body");
  return {
    method,
    takesBody: rule.body !== "",
    bindBody,
    bindQuery: rule.body === "*" ? refuseQuery : compileQuery(input, taken),
    bindPath: compilePath(input, template, problems),
    bindIdempotencyKey: compileIdempotencyKey(input),
    successStatus: successStatusOf(method, problems),
    print: compilePrint(method, rule.responseBody, registry, problems),
    resume: compileResume(method, taken, problems),
  };
}

const isServed = (method: DescMethod): method is Route["method"] =>
  method.methodKind === "unary" || method.methodKind === "server_streaming";

const carriesHttpBody = (message: DescMessage): boolean =>
  message.typeName === HttpBodySchema.typeName ||
  message.fields.some((field) => field.fieldKind === "message" && field.message.typeName === HttpBodySchema.typeName);

function successStatusOf(method: DescMethod, problems: string[]): number {
  const status = getOption(method, methodPolicy).successStatus;
  if (status === 0) return 200;
  if (status < 200 || status > 299) problems.push(`success_status ${status} is not from 200 to 299`);
  return status;
}

/**
 * Answers print implicit fields too: a REST caller finds the empty list, the zero and the "" where the contract says that
 * there is a field, instead of having to know protobuf's rule for leaving them out. What has presence and is unset stays out.
 */
function compilePrint(method: DescMethod, responseBody: string, registry: Registry, problems: string[]): Route["print"] {
  const { output } = method;
  const options = { registry, alwaysEmitImplicit: true };
  const field = responseBody === "" ? undefined : output.fields.find((candidate) => candidate.name === responseBody);
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

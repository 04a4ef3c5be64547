// The HTTP rules of contracts as a document of OpenAPI 3.1: https://spec.openapis.org/oas/v3.1.1.html
import {
  createFileRegistry,
  fromBinary,
  getOption,
  hasOption,
  type DescFile,
  type DescService,
  type FileRegistry,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { http } from "#gen/google/api/annotations_pb.ts";
import { StatusSchema } from "#gen/google/rpc/status_pb.ts";
import { method as methodPolicy } from "#gen/ordermesh/options/v1/options_pb.ts";
import { bindingsOf, patternOf } from "../transcode/route.ts";
import { parseTemplate } from "../transcode/template.ts";
import { readComments } from "./comments.ts";
import { operationOf, pathOf, type Binding } from "./operation.ts";
import { createSchemas, described, type Schema } from "./schema.ts";

export interface DocumentInfo {
  title: string;
  version: string;
  description: string;
  license: { name: string; identifier: string };
}

/** The files of an image as `buf build` writes it, with their comments. */
export function readImage(bytes: Uint8Array): FileRegistry {
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
}

/** Paths, schemas and tags are sorted, so that the same contracts are the same text. */
export function openapiOf(files: FileRegistry, info: DocumentInfo): Schema {
  const all: DescFile[] = [...files.files];
  const commentOf = readComments(all);
  const schemas = createSchemas(commentOf);
  const services = all.flatMap((file) => file.services).filter(isServed);
  const paths = new Map<string, Schema>();
  const knownPaths = new Map<string, string>();
  for (const binding of services.flatMap(bindingsOfService)) {
    const own = pathOf(binding.method.input, binding.template);
    const shape = own.replaceAll(variable, "{}");
    const path = knownPaths.get(shape) ?? own;
    knownPaths.set(shape, path);
    const operation = renamed(operationOf(binding, { schemas, commentOf }), own, path);
    paths.set(path, { ...paths.get(path), [binding.httpMethod.toLowerCase()]: operation });
  }
  const status = schemas.refOf(files.getMessage(StatusSchema.typeName) ?? StatusSchema);
  const sorted = [...paths].toSorted(([one], [other]) => (one < other ? -1 : 1));
  return {
    openapi: "3.1.1",
    info: { ...info },
    servers: [{ url: "/", description: "Where this document comes from" }],
    security: [{ oauth2: [] }, { bearer: [] }],
    tags: services
      .toSorted((one, other) => (one.name < other.name ? -1 : 1))
      .map((service) => described({ name: service.name }, commentOf(service))),
    paths: Object.fromEntries(sorted),
    components: {
      schemas: schemas.components(),
      responses: {
        Refused: answer("Refused, with the reason in details", status),
        Failed: answer("Failed or overloaded", status),
      },
      securitySchemes: { oauth2: securityScheme(services), bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
    },
  };
}

const variable = /\{[^}]*\}/g;

/** Paths that differ by the names of their variables alone are one path to OpenAPI: the names are those that were there first. */
function renamed(operation: Schema, own: string, path: string): Schema {
  if (own === path) return operation;
  const names = path.match(variable) ?? [];
  const newNames = new Map((own.match(variable) ?? []).map((name, index) => [name, names[index] ?? name]));
  const parameters = (operation["parameters"] as { name: string; in: string }[]).map((parameter) => {
    const name = parameter.in === "path" ? newNames.get(`{${parameter.name}}`) : undefined;
    return name ? { ...parameter, name: name.slice(1, -1) } : parameter;
  });
  return { ...operation, parameters };
}

const answer = (description: string, schema: Schema): Schema => ({ description, content: { "application/json": { schema } } });

const isServed = (service: DescService): boolean => service.methods.some((method) => hasOption(method, http));

function bindingsOfService(service: DescService): Binding[] {
  return service.methods.flatMap((method) => {
    if (!hasOption(method, http) || method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming") return [];
    return bindingsOf(getOption(method, http), []).flatMap((rule, index) => {
      const pattern = patternOf(rule);
      if (typeof pattern === "string") return [];
      const { httpMethod, path } = pattern;
      return [{ method, httpMethod, template: parseTemplate(path), body: rule.body, responseBody: rule.responseBody, index }];
    });
  });
}

/** RFC 6749: a token that a client gets for itself, or for a customer who has signed in. */
function securityScheme(services: readonly DescService[]): Schema {
  const scopes = services.flatMap(({ methods }) =>
    methods.flatMap((method) => getOption(method, methodPolicy).access?.scopes ?? []),
  );
  const named = Object.fromEntries([...new Set(scopes)].toSorted().map((scope) => [scope, sentenceOf(scope)]));
  return { type: "oauth2", flows: { clientCredentials: { tokenUrl: "/oauth/token", scopes: named } } };
}

const sentenceOf = (scope: string): string => {
  const [what = scope, how = "use"] = scope.split(":");
  return `${how} ${what}`;
};

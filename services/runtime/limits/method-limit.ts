// What a method's contract says of a limit of its own, read once from its descriptor.
import { getOption, hasOption, ScalarType, type DescMethod } from "@bufbuild/protobuf";
import { method as methodPolicy } from "#gen/ordermesh/options/v1/options_pb.ts";

const limitNames = ["sign_in", "tokens"] as const;
export type LimitName = (typeof limitNames)[number];

export interface MethodLimit {
  name: LimitName;
  /** Local name of the request's field that names the client. */
  clientField: string | undefined;
}

const compiled = new WeakMap<DescMethod, MethodLimit | "none">();

/**
 * Undefined where the method is limited with all others.
 *
 * @throws Error where the contract says what cannot be; at start, by way of assertPolicies.
 */
export function limitOf(method: DescMethod): MethodLimit | undefined {
  const known = compiled.get(method) ?? compile(method);
  compiled.set(method, known);
  return known === "none" ? undefined : known;
}

function compile(method: DescMethod): MethodLimit | "none" {
  const limit = hasOption(method, methodPolicy) ? getOption(method, methodPolicy).limit : undefined;
  if (!limit) return "none";
  const name = limitNames.find((known) => known === limit.name);
  if (name === undefined) throw new Error(`its limit "${limit.name}" is none of ${limitNames.join(", ")}`);
  return { name, clientField: clientFieldOf(method, limit.clientField) };
}

function clientFieldOf(method: DescMethod, name: string): string | undefined {
  if (name === "") return undefined;
  const field = method.input.fields.find((candidate) => candidate.name === name);
  const isText = field?.fieldKind === "scalar" && field.scalar === ScalarType.STRING && field.oneof === undefined;
  if (method.methodKind !== "unary" || !isText)
    throw new Error(`its client_field "${name}" is no string of ${method.input.typeName}`);
  return field.localName;
}

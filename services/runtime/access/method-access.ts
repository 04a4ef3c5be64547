// What a method's contract says of who may call it, read once from its descriptor.
import { getOption, hasOption, ScalarType, type DescField, type DescMethod } from "@bufbuild/protobuf";
import { method as methodPolicy } from "#gen/ordermesh/options/v1/options_pb.ts";
import { roles as knownRoles, type Role } from "./claims.ts";

export interface MethodAccess {
  isPublic: boolean;
  /** One of them the caller must have. */
  roles: ReadonlySet<Role>;
  /** All of them its token must carry. */
  scopes: readonly string[];
  /** Local name of the request's field that names the owning customer. */
  ownerField: string | undefined;
}

const compiled = new WeakMap<DescMethod, MethodAccess>();

/** @throws Error where the contract does not say, or says what cannot be; at start, by way of assertPolicies. */
export function accessOf(method: DescMethod): MethodAccess {
  const known = compiled.get(method);
  if (known) return known;
  const access = compile(method);
  compiled.set(method, access);
  return access;
}

function compile(method: DescMethod): MethodAccess {
  const access = hasOption(method, methodPolicy) ? getOption(method, methodPolicy).access : undefined;
  if (!access || access.public === access.roles.length > 0) throw new Error("give it an access, public or with roles");
  const roles = new Set(access.roles.map(roleOf));
  if (access.public && access.scopes.length > 0) throw new Error("what is public needs no scopes");
  return { isPublic: access.public, roles, scopes: access.scopes, ownerField: ownerFieldOf(method, access.ownerField) };
}

function roleOf(name: string): Role {
  const role = knownRoles.find((known) => known === name);
  if (role === undefined) throw new Error(`its role "${name}" is none of ${knownRoles.join(", ")}`);
  return role;
}

function ownerFieldOf(method: DescMethod, name: string): string | undefined {
  if (name === "") return undefined;
  const field = method.input.fields.find((candidate) => candidate.name === name);
  if (method.methodKind !== "unary" && method.methodKind !== "server_streaming") throw new Error("only one request has an owner");
  if (!field || !isPlainText(field)) throw new Error(`its owner_field "${name}" is no string of ${method.input.typeName}`);
  return field.localName;
}

const isPlainText = (field: DescField): boolean =>
  field.fieldKind === "scalar" && field.scalar === ScalarType.STRING && field.oneof === undefined;

// A contract whose limit cannot be kept stops the start, and says which method it is.
import { clone, create, createFileRegistry, getOption, setExtension, type DescService } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, MethodOptionsSchema, type FileDescriptorProto } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { IdentityService } from "#gen/ordermesh/identity/v1/identity_service_pb.ts";
import { CallLimitSchema, method as methodPolicy } from "#gen/ordermesh/options/v1/options_pb.ts";
import { assertPolicies } from "../rpc/policy.ts";
import { limitOf } from "./method-limit.ts";

/** The contract of identity, but with another limit at SignIn. */
function withLimit(limit: { name: string; clientField: string }): DescService {
  const { file } = IdentityService;
  const changed = clone(FileDescriptorProtoSchema, file.proto);
  const signIn = changed.service[0]!.method.find(({ name }) => name === "SignIn")!;
  const policy = getOption(IdentityService.method.signIn, methodPolicy);
  signIn.options ??= create(MethodOptionsSchema);
  setExtension(signIn.options, methodPolicy, { ...policy, limit: create(CallLimitSchema, limit) });
  const known = new Map<string, FileDescriptorProto>();
  const add = (each: typeof file): void => {
    known.set(each.proto.name, each.proto);
    each.dependencies.forEach(add);
  };
  file.dependencies.forEach(add);
  return createFileRegistry(changed, (name) => known.get(name)).getService(IdentityService.typeName)!;
}

test("every method of identity that takes a secret has a limit of its own, and names its client where it can", () => {
  const limits = IdentityService.methods.map((method) => [method.name, limitOf(method)?.name, limitOf(method)?.clientField]);
  expect(limits).toEqual([
    ["IssueToken", "tokens", "clientId"],
    ["SignIn", "sign_in", "clientId"],
    ["RegisterAccount", "sign_in", "clientId"],
    ["ChangePassword", "sign_in", undefined],
    ["RevokeToken", "tokens", "clientId"],
    ["IntrospectToken", "tokens", "clientId"],
    ["CreateStreamTicket", "tokens", undefined],
    ["RedeemStreamTicket", "tokens", undefined],
    ["GetServerMetadata", undefined, undefined],
  ]);
});

test.each([
  { limit: { name: "logins", clientField: "" }, want: 'its limit "logins" is none of sign_in, tokens' },
  { limit: { name: "", clientField: "" }, want: 'its limit "" is none of sign_in, tokens' },
  {
    limit: { name: "sign_in", clientField: "client" },
    want: 'its client_field "client" is no string of ordermesh.identity.v1.SignInRequest',
  },
])("$want", ({ limit, want }) => {
  const start = () => assertPolicies([withLimit(limit)]);
  expect(start).toThrow(`ordermesh.identity.v1.IdentityService/SignIn: ${want}`);
});

test("the same contract with a limit that can be kept starts", () => {
  expect(() => assertPolicies([withLimit({ name: "tokens", clientField: "client_id" })])).not.toThrow();
});

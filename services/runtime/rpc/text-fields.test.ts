import { create } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { ErrorInfoSchema, BadRequestSchema } from "#gen/google/rpc/error_details_pb.ts";
import { HttpRuleSchema } from "#gen/google/api/http_pb.ts";
import { fieldsWithNul } from "./text-fields.ts";

test.each([
  { name: "a field", found: ["reason"], in: fieldsWithNul(ErrorInfoSchema, create(ErrorInfoSchema, { reason: "a\0" })) },
  {
    name: "a map",
    found: ['metadata["key"]'],
    in: fieldsWithNul(ErrorInfoSchema, create(ErrorInfoSchema, { metadata: { key: "\0" } })),
  },
  {
    name: "a list of messages",
    found: ["field_violations[1].field"],
    in: fieldsWithNul(BadRequestSchema, create(BadRequestSchema, { fieldViolations: [{ field: "fine" }, { field: "\0" }] })),
  },
  {
    name: "a oneof of a type that holds itself",
    found: ["additional_bindings[0].get"],
    in: fieldsWithNul(
      HttpRuleSchema,
      create(HttpRuleSchema, { additionalBindings: [{ pattern: { case: "get", value: "\0" } }] }),
    ),
  },
  {
    name: "nothing",
    found: [],
    in: fieldsWithNul(ErrorInfoSchema, create(ErrorInfoSchema, { reason: "fine", metadata: { a: "b" } })),
  },
])("a NUL character is found in $name", (row) => {
  expect(row.in).toEqual(row.found);
});

// Every field of a contract that holds what identifies a person is marked, so that it stands in no log that cannot forget. Events
// are not: they are kept for some days, and then gone.
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { AddressSchema } from "#gen/ordermesh/type/v1/address_pb.ts";
import { isMarked } from "#runtime/audit-log/shown.ts";
import { definitions } from "../../services/mesh.ts";
import { keepers } from "../../services/customers/domain/erasure.ts";
import { loadContracts } from "../../tools/contracts.ts";

const personalName =
  /^(display_name|given_name|family_name|email|phone|locale|login|recipient|device_fingerprint|fingerprint|peer|cancel_detail|decision_note|explanation|label|purpose|text_version)$/;

/**
 * Who asks and from where is what the audit log is for; it says so, and so does docs/customers.md. The history of an order is not
 * written down, and names nobody: docs/explain.md.
 */
const excepted = ["ordermesh.auditlog.v1.AuditEntry.peer", "ordermesh.operations.v1.ExplainOrderResponse.explanation"];

/** What is only asked, and is written down nowhere. */
const isQuestion = ({ parent }: DescField): boolean => /^List\w*Request$/.test(parent.name);

const fieldsOf = (message: DescMessage): DescField[] => [...message.fields, ...message.nestedMessages.flatMap(fieldsOf)];
const fields = (await loadContracts())
  .filter(({ proto }) => proto.package.startsWith("ordermesh.") && !/^ordermesh\.([a-z]+\.events|type)\./.test(proto.package))
  .flatMap((file) => file.messages)
  .flatMap(fieldsOf);

const isPersonal = (field: DescField): boolean =>
  personalName.test(field.name) || (field.fieldKind === "message" && field.message.typeName === AddressSchema.typeName);

test("fields whose names or types say that they identify a person are marked", () => {
  const personal = fields.filter((field) => isPersonal(field) && !isQuestion(field));
  const names = personal.map((field) => `${field.parent.typeName}.${field.name}`);
  expect(names.length).toBeGreaterThan(25);
  const unmarked = personal.filter((field) => !isMarked(field)).map((field) => `${field.parent.typeName}.${field.name}`);
  expect(unmarked.filter((name) => !excepted.includes(name))).toEqual([]);
});

test("every service of the mesh is asked what it keeps about a person", () => {
  expect([...keepers].toSorted()).toEqual(definitions.map(({ name }) => name).toSorted());
});

// A request for any RPC, made from its descriptor: every field has some value that the contract takes, and each id is given.
import { create, ScalarType, toJson, type DescField, type DescMessage, type JsonObject, type Message } from "@bufbuild/protobuf";
import { TimestampSchema, timestampNow } from "@bufbuild/protobuf/wkt";

/** By the name of a field. */
export type Ids = Readonly<Record<string, string>>;

/** Texts that the contracts take only in a form of their own. */
const texts: Ids = {
  currency: "EUR",
  currency_code: "EUR",
  country_code: "DE",
  service: "orders",
  page_token: "",
  // A stream that begins would not end.
  after: "900000000000000000.1.ord_ahead",
  payment_method_bin: "424242",
  expected_total: "",
  request_id: "asked-once",
  role: "operator",
  roles: "operator",
  scopes: "orders:read",
  email: "mine@example.com",
  customer_email: "mine@example.com",
  prefix: "42",
  phone: "+4930123456",
  locale: "de",
  fact: "created",
  channel: "email",
  language: "de",
};
const depthMax = 3;

const isId = ({ name, scalar }: DescField): boolean =>
  scalar === ScalarType.STRING && name !== "request_id" && (name === "sku" || name.endsWith("_id"));

/** Names of the fields, at every depth, that say which resource is meant. */
export function idFields(desc: DescMessage, depth = 0): string[] {
  if (depth > depthMax) return [];
  return desc.fields.flatMap((field) => (isId(field) ? [field.name] : field.message ? idFields(field.message, depth + 1) : []));
}

export function anyRequest(desc: DescMessage, ids: Ids): JsonObject {
  return toJson(desc, messageOf(desc, ids, 0)) as JsonObject;
}

function messageOf(desc: DescMessage, ids: Ids, depth: number): Message {
  if (desc.typeName === TimestampSchema.typeName) return timestampNow();
  const values = depth > depthMax ? [] : desc.fields.flatMap((field) => entryOf(field, ids, depth));
  return create(desc, Object.fromEntries(values));
}

function entryOf(field: DescField, ids: Ids, depth: number): [string, unknown][] {
  // What may be of any type has no contract of its own.
  if (field.fieldKind === "map" || field.message?.typeName === "google.protobuf.Any") return [];
  // Of several that exclude each other the first.
  const { oneof } = field;
  if (oneof && oneof.fields[0] !== field) return [];
  const one = valueOf(field, ids, depth);
  if (oneof) return [[oneof.localName, { case: field.localName, value: one }]];
  return [[field.localName, field.fieldKind === "list" ? [one] : one]];
}

function valueOf(field: DescField, ids: Ids, depth: number): unknown {
  if (field.message) return messageOf(field.message, ids, depth + 1);
  if (field.enum) return field.enum.values.find(({ number }) => number > 0)?.number ?? 0;
  if (field.scalar === ScalarType.STRING) return ids[field.name] ?? texts[field.name] ?? "mine";
  if (field.scalar === ScalarType.BOOL) return false;
  if (field.scalar === ScalarType.BYTES) return new Uint8Array();
  return field.scalar === ScalarType.INT64 || field.scalar === ScalarType.UINT64 ? 1n : 1;
}

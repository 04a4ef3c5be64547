// Examples of requests, made from the contracts: what must be there, and what a reader wants to see. Their names and prices are
// those of the demonstration, so that an example can be sent as it is where there is one.
import { ScalarType, type DescEnum, type DescField, type DescMessage, type JsonObject, type JsonValue } from "@bufbuild/protobuf";
import { choicesOf, enumChoicesOf, isRequired, leastOf } from "./rules.ts";

/** By the proto name of a field; text as JSON has it. A field that is named here is in every example that may have it. */
const values: Readonly<Record<string, string>> = {
  address_id: "adr_01h455vb4pex5vsknk084sn02q",
  base_minor_units: "490",
  carrier: "sandbox",
  channel: "email",
  city: "Berlin",
  client_id: "shop",
  country_code: "DE",
  country_codes: "DE",
  currency: "EUR",
  currency_code: "EUR",
  current_password: "development-password",
  customer_id: "ada",
  delivery_id: "dlv_01h455vb4pex5vsknk084sn02q",
  description: "made for an example",
  display_name: "Ada",
  email: "ada@example.test",
  endpoint_id: "whe_01h455vb4pex5vsknk084sn02q",
  event_id: "evt_01h455vb4pex5vsknk084sn02q",
  fact: "created",
  given_name: "Ada",
  grant_type: "client_credentials",
  initial_stock: "100",
  language: "en",
  letter_id: "ltr_01h455vb4pex5vsknk084sn02q",
  lines: "1 Main St",
  list_id: "fls_01h455vb4pex5vsknk084sn02q",
  locale: "en",
  login: "ada@example.test",
  minor_units: "1290",
  name: "on our watch",
  new_password: "a-better-password",
  order_id: "ord_01h455vb4pex5vsknk084sn02q",
  password: "development-password",
  path: "/v1/orders/ord_01h455vb4pex5vsknk084sn02q:watch",
  payment_token: "tok_success",
  postal_code: "10115",
  prefix: "424242",
  product_id: "prd_01h455vb4pex5vsknk084sn02q",
  provider: "stripe",
  purpose: "newsletter",
  quantity: "2",
  rate: "19",
  reason: "as the customer asked",
  recipient: "Ada Lovelace",
  redrive_id: "rdr_01h455vb4pex5vsknk084sn02q",
  request_id: "asked-once",
  return_id: "ret_01h455vb4pex5vsknk084sn02q",
  roles: "operator",
  rule_id: "rul_01h455vb4pex5vsknk084sn02q",
  scopes: "orders:read",
  service: "orders",
  sku: "MUG-BLUE",
  skus: "MUG-BLUE",
  tax_class: "STANDARD",
  tenant: "demo",
  tenant_id: "second",
  text: "looks good",
  title: "Blue mug",
  token: "1.2.3",
  topic: "orders",
  url: "https://shop.example/hooks",
  value: "424242",
  values: "424242",
  weight: "10",
  worker: "sam",
  zone: "europe",
};

/** Messages that are no must, and without which an example would show nothing. */
const shownMessages = new Set(["address", "amount", "lines", "policy", "prices", "variant"]);
const givenIds = new Set(["client_id", "customer_id", "tenant_id"]);

const exampleTime = "2026-12-24T10:00:00Z";
const depthMax = 4;

/** What a request's body may be. */
export function exampleOfFields(fields: readonly DescField[], depth = 0): JsonObject {
  const shown = fields.filter((field) => isShown(field, depth));
  // Of several that exclude each other the first.
  const chosen = shown.filter(({ oneof }, index) => !oneof || shown.findIndex((each) => each.oneof === oneof) === index);
  return Object.fromEntries(chosen.map((field) => [field.jsonName, exampleOfField(field, depth)]));
}

function isShown(field: DescField, depth: number): boolean {
  if (depth > depthMax || field.fieldKind === "map") return false;
  if (isRequired(field) || field.oneof?.fields[0] === field) return true;
  if (field.message) return shownMessages.has(field.name);
  // Ids of what is made are given by who makes it.
  return field.name in values && (!field.name.endsWith("_id") || givenIds.has(field.name));
}

export function exampleOfField(field: DescField, depth = 0): JsonValue {
  const one = exampleOfValue(field, depth);
  return field.fieldKind === "list" ? [one] : one;
}

function exampleOfValue(field: DescField, depth: number): JsonValue {
  if (field.message) return exampleOfMessage(field.message, depth + 1);
  if (field.enum) return nameOf(field.enum, enumChoicesOf(field));
  const known = values[field.name];
  if (field.scalar === ScalarType.STRING) return textOf(choicesOf(field), known);
  if (field.scalar === ScalarType.BOOL) return true;
  if (field.scalar === ScalarType.BYTES) return "";
  const isText = longTypes.has(field.scalar ?? ScalarType.INT32);
  const number = known ?? String(leastOf(field));
  return isText ? number : Number(number);
}

const textOf = (choices: readonly string[], known: string | undefined): string =>
  known !== undefined && (choices.length === 0 || choices.includes(known)) ? known : (choices[0] ?? "text");

const longTypes = new Set([ScalarType.INT64, ScalarType.UINT64, ScalarType.FIXED64, ScalarType.SFIXED64, ScalarType.SINT64]);

/** The first value of an enum says nothing. */
function nameOf({ values: [unspecified, first = unspecified], value }: DescEnum, [chosen]: readonly number[]): string {
  return (chosen === undefined ? first : value[chosen])?.name ?? "";
}

function exampleOfMessage(message: DescMessage, depth: number): JsonValue {
  if (message.typeName === "google.protobuf.Timestamp") return exampleTime;
  if (message.typeName === "google.protobuf.Duration") return "60s";
  if (message.typeName === "google.protobuf.FieldMask") return "";
  return exampleOfFields(message.fields, depth);
}

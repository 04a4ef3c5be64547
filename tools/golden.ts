// Writes golden bytes for events that have none: npx node tools/golden.ts. It never changes one that is there:
// those bytes stand for events that were stored, and every later version of the contract must still read them.
import { access, mkdir, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fromJson, ScalarType, toBinary, toJson, type DescField, type DescMessage, type JsonValue } from "@bufbuild/protobuf";
import { isProgram, outputOf, root } from "./command.ts";
import { eventMessages, loadContracts } from "./contracts.ts";

export const goldenFolder = join(root, "test/contracts/golden");
export const goldenCommand = "npx node tools/golden.ts";

/** Values that look like what is sent, by field name. */
const texts: Readonly<Record<string, string>> = {
  order_id: "ord_01jd7q3v5cfz8s0c2m4n6p8r9t",
  product_id: "prod_01jd7q3v5cfz8s0c2m4n6p8r9t",
  payment_id: "pay_01jd7q3v5cfz8s0c2m4n6p8r9t",
  shipment_id: "shp_01jd7q3v5cfz8s0c2m4n6p8r9t",
  customer_id: "customer-7",
  revoked_id: "ses_01jd7q3v5cfz8s0c2m4n6p8r9t",
  sku: "SWEATER-BLUE-L",
  currency_code: "EUR",
  country_code: "DE",
  city: "Köln",
  postal_code: "50667",
  payment_method_bin: "424242",
};

// No two numbers or times in a message are the same, so that two fields that were swapped show.
interface Numbering {
  next(): number;
}

function numbering(): Numbering {
  let last = 0;
  return { next: () => ++last };
}

function scalarSample(field: DescField & { scalar: ScalarType }, numbers: Numbering): JsonValue {
  switch (field.scalar) {
    case ScalarType.STRING:
      return texts[field.name] ?? `${field.name.replaceAll("_", " ")} ${numbers.next()}`;
    case ScalarType.BYTES:
      return "AAEC/w==";
    case ScalarType.BOOL:
      return true;
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return numbers.next() + 0.5;
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
    case ScalarType.SINT64:
      // Beyond 32 bits, so that a wrong width shows.
      return String(10_000_000_000 + numbers.next());
    case ScalarType.INT32:
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
    case ScalarType.SINT32:
      return 1_000 + numbers.next();
  }
}

function messageSample(message: DescMessage, numbers: Numbering): JsonValue {
  const second = 10 + (numbers.next() % 50);
  if (message.typeName === "google.protobuf.Timestamp") return `2026-03-14T15:09:${second}.535Z`;
  if (message.typeName === "google.protobuf.Duration") return `${second}.500s`;
  // Of a oneof only one field can be set: the first.
  const fields = message.fields.filter((field) => !field.oneof || field.oneof.fields[0] === field);
  return Object.fromEntries(fields.map((field): [string, JsonValue] => [field.jsonName, fieldSample(field, numbers)]));
}

function listSample(field: DescField & { fieldKind: "list" }, numbers: Numbering): JsonValue {
  switch (field.listKind) {
    case "message":
      return [messageSample(field.message, numbers), messageSample(field.message, numbers)];
    case "enum":
      return field.enum.values.map((value) => value.name);
    case "scalar":
      return [scalarSample(field, numbers), scalarSample(field, numbers)];
  }
}

function fieldSample(field: DescField, numbers: Numbering): JsonValue {
  switch (field.fieldKind) {
    case "scalar":
      return scalarSample(field, numbers);
    case "enum":
      return field.enum.values.at(-1)?.name ?? 0;
    case "message":
      return messageSample(field.message, numbers);
    case "list":
      return listSample(field, numbers);
    case "map":
      throw new Error(`${field.toString()}: golden bytes of a map depend on its order; use a list of entries`);
  }
}

export interface GoldenPaths {
  bytes: string;
  content: string;
}

export function goldenPaths(typeName: string): GoldenPaths {
  return { bytes: join(goldenFolder, `${typeName}.hex`), content: join(goldenFolder, `${typeName}.json`) };
}

const isPresent = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** 32 bytes a line, so that a person can compare two of them. */
const hexLines = (bytes: Uint8Array): string =>
  `${Buffer.from(bytes)
    .toString("hex")
    .replaceAll(/.{64}(?=.)/g, "$&\n")}\n`;

async function writeGolden(event: DescMessage): Promise<string[]> {
  const { bytes, content } = goldenPaths(event.typeName);
  if ((await isPresent(bytes)) || (await isPresent(content))) return [];
  const message = fromJson(event, messageSample(event, numbering()));
  await writeFile(bytes, hexLines(toBinary(event, message)), { flag: "wx" });
  await writeFile(content, `${JSON.stringify(toJson(event, message), undefined, 2)}\n`, { flag: "wx" });
  return [content];
}

export async function writeMissingGolden(): Promise<string[]> {
  await mkdir(goldenFolder, { recursive: true });
  const { events } = eventMessages(await loadContracts());
  const written = (await Promise.all(events.map(writeGolden))).flat();
  if (written.length > 0) await outputOf("oxfmt", written);
  return written;
}

if (isProgram(import.meta.url)) {
  const written = await writeMissingGolden();
  console.log(
    written.length === 0
      ? "Every event has its golden bytes."
      : `Written, to be committed:\n${written.map((path) => relative(root, path)).join("\n")}`,
  );
}

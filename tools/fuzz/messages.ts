// Random messages of any type, as trees.
import { ScalarType, toBinary, type DescField, type DescMessage, type DescEnum } from "@bufbuild/protobuf";
import fc from "fast-check";
import { isRequired, messageOf, scalarOf, type Tree } from "./neutral.ts";

const fieldsMax = 6;
const depthMax = 3;

/** Any character but halves of pairs, which are no text. */
const text = fc.oneof(
  { weight: 4, arbitrary: fc.string({ maxLength: 12 }) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 8 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("", "/", "%2F", "a b", "+", ".", "..", "é", "a:b", "null", "true", "\u0000", "😀", "\u2028"),
  },
);
const bytes = fc.uint8Array({ maxLength: 8 });
const bigints = (min: bigint, max: bigint): fc.Arbitrary<bigint> =>
  fc.oneof(fc.bigInt({ min, max }), fc.constantFrom(min, max, 0n, 2n ** 53n, 2n ** 53n - 1n));

function scalarArbitrary(scalar: ScalarType): fc.Arbitrary<unknown> {
  switch (scalar) {
    case ScalarType.STRING:
      return text;
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.BYTES:
      return bytes;
    case ScalarType.DOUBLE:
      return fc.double().map((value) => value + 0);
    case ScalarType.FLOAT:
      return fc.float().map((value) => value + 0);
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return fc.integer();
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return fc.integer({ min: 0, max: 4_294_967_295 });
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return bigints(-(2n ** 63n), 2n ** 63n - 1n);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return bigints(0n, 2n ** 64n - 1n);
  }
}

const enumArbitrary = (desc: DescEnum): fc.Arbitrary<number> => {
  const known = fc.constantFrom(...desc.values.map(({ number }) => number));
  return desc.open ? fc.oneof({ weight: 5, arbitrary: known }, { weight: 1, arbitrary: fc.integer() }) : known;
};

const known: Record<string, () => fc.Arbitrary<Tree>> = {
  "google.protobuf.Timestamp": () =>
    fc.record({
      // From the year 1 to 9999: google/protobuf/timestamp.proto.
      seconds: fc.bigInt({ min: -62135596800n, max: 253402300799n }),
      nanos: fc.oneof(fc.constantFrom(0, 1, 500_000_000, 123_000_000, 999_999_999), fc.integer({ min: 0, max: 999_999_999 })),
    }),
  "google.protobuf.Duration": () =>
    fc
      .record({
        seconds: fc.bigInt({ min: 0n, max: 315_576_000_000n - 1n }),
        nanos: fc.oneof(fc.constantFrom(0, 1, 500_000_000), fc.integer({ min: 0, max: 999_999_999 })),
        isNegative: fc.boolean(),
      })
      .map(({ seconds, nanos, isNegative }) => (isNegative ? { seconds: -seconds, nanos: 0 - nanos + 0 } : { seconds, nanos })),
  "google.protobuf.FieldMask": () =>
    fc.record({
      paths: fc.array(fc.stringMatching(/^[a-z]{1,5}(_[a-z]{1,4}){0,2}(\.[a-z]{1,4}){0,2}$/), { minLength: 1, maxLength: 3 }),
    }),
  "google.protobuf.Value": () => value,
  "google.protobuf.ListValue": () => fc.record({ values: fc.array(value, { maxLength: 3 }) }),
  "google.protobuf.Struct": () =>
    fc.record({ fields: fc.array(fc.tuple(text, value), { maxLength: 3 }).map((entries) => new Map(entries)) }),
};

const value: fc.Arbitrary<Tree> = fc.oneof(
  fc.constant({ null_value: 0 }),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => ({ number_value: number + 0 })),
  text.map((string) => ({ string_value: string })),
  fc.boolean().map((bool) => ({ bool_value: bool })),
  fc
    .array(text, { maxLength: 2 })
    .map((texts) => ({ list_value: { values: texts.map((string) => ({ string_value: string })) } })),
  fc.tuple(text, fc.boolean()).map(([key, bool]) => ({ struct_value: { fields: new Map([[key, { bool_value: bool }]]) } })),
);

/** The tree of an Any, and what is in it. */
export interface AnyTree extends Tree {
  content: { desc: DescMessage; tree: Tree };
}

/** @param contents Types that an Any may have. */
export function messageArbitrary(desc: DescMessage, contents: readonly DescMessage[], depth = 0): fc.Arbitrary<Tree> {
  const special = known[desc.typeName];
  if (special) return special();
  if (desc.typeName === "google.protobuf.Any") return anyArbitrary(contents);
  const fields = desc.fields.filter(
    ({ message }) => !message || (isOwn(message) ? depth < depthMax : isKnown(message, contents)),
  );
  if (fields.length === 0) return fc.constant({});
  // Made once: what follows runs for each input.
  const arbitraries = fields.map((field) => fieldArbitrary(field, contents, depth));
  const required = fields.flatMap((field, index) => (isRequired(field) ? [index] : []));
  return fc
    .uniqueArray(fc.nat(fields.length - 1), { maxLength: depth === 0 ? fieldsMax : 2 })
    .chain((chosen) => {
      const indexes = [...new Set([...required, ...oneOfEach(chosen, fields)])];
      return fc.tuple(...indexes.map((index) => arbitraries[index] as fc.Arbitrary<[string, unknown]>));
    })
    .map((entries) => Object.fromEntries(entries));
}

const isOwn = (desc: DescMessage): boolean => !desc.typeName.startsWith("google.protobuf.");

/** An Any needs something to be of. */
const isKnown = (desc: DescMessage, contents: readonly DescMessage[]): boolean =>
  desc.typeName !== "google.protobuf.Any" || contents.length > 0;

/** The first chosen member of each oneof. */
function oneOfEach(chosen: readonly number[], fields: readonly DescField[]): number[] {
  const taken = new Set<unknown>();
  return chosen.filter((index) => {
    const oneof = fields[index]?.oneof;
    if (!oneof) return true;
    if (taken.has(oneof)) return false;
    taken.add(oneof);
    return true;
  });
}

function fieldArbitrary(field: DescField, contents: readonly DescMessage[], depth: number): fc.Arbitrary<[string, unknown]> {
  const single = singleArbitrary(field, contents, depth);
  if (field.fieldKind === "list") return fc.tuple(fc.constant(field.name), fc.array(single, { maxLength: 3 }));
  if (field.fieldKind !== "map") return fc.tuple(fc.constant(field.name), single);
  const entries = fc.array(fc.tuple(scalarArbitrary(field.mapKey), single), { maxLength: 3 });
  return fc.tuple(
    fc.constant(field.name),
    entries.map((list) => new Map(list)),
  );
}

function singleArbitrary(field: DescField, contents: readonly DescMessage[], depth: number): fc.Arbitrary<unknown> {
  if (field.message) return messageArbitrary(field.message, contents, depth + 1);
  if (field.enum) return enumArbitrary(field.enum);
  return scalarArbitrary(scalarOf(field) ?? ScalarType.STRING);
}

const anyArbitrary = (contents: readonly DescMessage[]): fc.Arbitrary<AnyTree> =>
  fc.oneof(
    ...contents.map((desc) =>
      messageArbitrary(desc, [], depthMax).map((tree) => ({
        type_url: `type.googleapis.com/${desc.typeName}`,
        value: toBinary(desc, messageOf(desc, tree)),
        content: { desc, tree },
      })),
    ),
  );

// Messages as JSON Schema, by ProtoJSON: https://protobuf.dev/programming-guides/json/
import { ScalarType, type DescEnum, type DescField, type DescMessage, type JsonObject } from "@bufbuild/protobuf";
import type { CommentOf } from "./comments.ts";
import { boundsOf, isRequired } from "./rules.ts";

export type Schema = JsonObject;

export interface Schemas {
  /** A reference to the message's schema, which is made where it is not there. */
  refOf(message: DescMessage | DescEnum): Schema;
  /** The schema of a field's value, without its comment. */
  ofField(field: DescField): Schema;
  /** An object of some fields of a message. */
  ofFields(fields: readonly DescField[], optional?: (field: DescField) => boolean): Schema;
  /** All that is referred to, by name. */
  components(): Record<string, Schema>;
}

const text = (format?: string): Schema => (format ? { type: "string", format } : { type: "string" });

/** Whole numbers of 64 bits are text in JSON, because a number would be rounded; numbers are taken, too. */
const scalarSchemas: Readonly<Record<ScalarType, Schema>> = {
  [ScalarType.DOUBLE]: { type: "number", format: "double" },
  [ScalarType.FLOAT]: { type: "number", format: "float" },
  [ScalarType.INT64]: text("int64"),
  [ScalarType.UINT64]: text("uint64"),
  [ScalarType.INT32]: { type: "integer", format: "int32" },
  [ScalarType.FIXED64]: text("uint64"),
  [ScalarType.FIXED32]: { type: "integer", format: "uint32" },
  [ScalarType.BOOL]: { type: "boolean" },
  [ScalarType.STRING]: text(),
  [ScalarType.BYTES]: { type: "string", contentEncoding: "base64" },
  [ScalarType.UINT32]: { type: "integer", format: "uint32" },
  [ScalarType.SFIXED32]: { type: "integer", format: "int32" },
  [ScalarType.SFIXED64]: text("int64"),
  [ScalarType.SINT32]: { type: "integer", format: "int32" },
  [ScalarType.SINT64]: text("int64"),
};

/** Types whose JSON is no object of their fields. */
const ownForms = new Map<string, Schema>([
  ["google.protobuf.Timestamp", text("date-time")],
  ["google.protobuf.Duration", { type: "string", pattern: "^-?[0-9]+(\\.[0-9]{1,9})?s$" }],
  ["google.protobuf.FieldMask", { type: "string", description: "Names of fields in camel case, parted by commas." }],
  ["google.protobuf.Struct", { type: "object", additionalProperties: true }],
  ["google.protobuf.Value", {}],
  ["google.protobuf.ListValue", { type: "array", items: {} }],
  ["google.protobuf.Empty", { type: "object" }],
  ["google.protobuf.Any", { type: "object", properties: { "@type": { type: "string" } }, additionalProperties: true }],
  ["google.protobuf.DoubleValue", { type: ["number", "null"] }],
  ["google.protobuf.FloatValue", { type: ["number", "null"] }],
  ["google.protobuf.Int64Value", { type: ["string", "null"], format: "int64" }],
  ["google.protobuf.UInt64Value", { type: ["string", "null"], format: "uint64" }],
  ["google.protobuf.Int32Value", { type: ["integer", "null"], format: "int32" }],
  ["google.protobuf.UInt32Value", { type: ["integer", "null"], format: "uint32" }],
  ["google.protobuf.BoolValue", { type: ["boolean", "null"] }],
  ["google.protobuf.StringValue", { type: ["string", "null"] }],
  ["google.protobuf.BytesValue", { type: ["string", "null"], contentEncoding: "base64" }],
]);

export function createSchemas(commentOf: CommentOf): Schemas {
  const components = new Map<string, Schema>();

  const refOf = (desc: DescMessage | DescEnum): Schema => {
    const own = ownForms.get(desc.typeName);
    if (own) return own;
    if (!components.has(desc.typeName)) {
      // A message may have itself somewhere in it.
      components.set(desc.typeName, {});
      const schema = desc.kind === "enum" ? ofEnum(desc) : ofFields(desc.fields);
      components.set(desc.typeName, described(schema, commentOf(desc)));
    }
    return { $ref: `#/components/schemas/${desc.typeName}` };
  };

  const ofEnum = (desc: DescEnum): Schema => ({
    type: "string",
    enum: desc.values.map(({ name }) => name),
    "x-enumDescriptions": Object.fromEntries(desc.values.map((value) => [value.name, commentOf(value)])),
  });

  const ofValue = (value: {
    scalar?: ScalarType | undefined;
    message?: DescMessage | undefined;
    enum?: DescEnum | undefined;
  }): Schema => {
    if (value.message) return refOf(value.message);
    if (value.enum) return refOf(value.enum);
    return value.scalar === undefined ? {} : scalarSchemas[value.scalar];
  };

  const ofField = (field: DescField): Schema => {
    const bounds = boundsOf(field);
    if (field.fieldKind === "list") return { type: "array", items: ofValue(field), ...bounds };
    if (field.fieldKind === "map") return { type: "object", additionalProperties: ofValue(field), ...bounds };
    return { ...ofValue(field), ...bounds };
  };

  function ofFields(fields: readonly DescField[], optional: (field: DescField) => boolean = () => false): Schema {
    const properties = Object.fromEntries(fields.map((field) => [field.jsonName, described(ofField(field), commentOf(field))]));
    const required = fields.filter((field) => isRequired(field) && !optional(field)).map(({ jsonName }) => jsonName);
    return { type: "object", properties, ...(required.length > 0 ? { required } : {}) };
  }

  const inOrder = (): [string, Schema][] => [...components].toSorted(([one], [other]) => (one < other ? -1 : 1));
  return { refOf, ofField, ofFields, components: () => Object.fromEntries(inOrder()) };
}

/** In 3.1 a reference may have a description beside it. */
export const described = (schema: Schema, comment: string): Schema =>
  comment === "" ? schema : { ...schema, description: comment };

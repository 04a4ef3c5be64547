// Prints a file descriptor as proto2 source: structure only (names, numbers, types, extensions), no options.
import { FieldDescriptorProto_Label as Label, FieldDescriptorProto_Type as Type } from "@bufbuild/protobuf/wkt";
import type { DescFile } from "@bufbuild/protobuf";
import type { DescriptorProto, EnumDescriptorProto, FieldDescriptorProto } from "@bufbuild/protobuf/wkt";

const scalarNames: Partial<Record<Type, string>> = {
  [Type.DOUBLE]: "double",
  [Type.FLOAT]: "float",
  [Type.INT64]: "int64",
  [Type.UINT64]: "uint64",
  [Type.INT32]: "int32",
  [Type.FIXED64]: "fixed64",
  [Type.FIXED32]: "fixed32",
  [Type.BOOL]: "bool",
  [Type.STRING]: "string",
  [Type.BYTES]: "bytes",
  [Type.UINT32]: "uint32",
  [Type.SFIXED32]: "sfixed32",
  [Type.SFIXED64]: "sfixed64",
  [Type.SINT32]: "sint32",
  [Type.SINT64]: "sint64",
};

const labelNames: Record<Label, string> = {
  [Label.OPTIONAL]: "optional",
  [Label.REQUIRED]: "required",
  [Label.REPEATED]: "repeated",
};

const indent = (lines: string[]): string[] => lines.map((line) => `  ${line}`);

function fieldLine(field: FieldDescriptorProto, { inOneof }: { inOneof: boolean }): string {
  const type = scalarNames[field.type] ?? field.typeName;
  const label = inOneof ? "" : `${labelNames[field.label]} `;
  return `${label}${type} ${field.name} = ${field.number};`;
}

function enumLines(type: EnumDescriptorProto): string[] {
  return [`enum ${type.name} {`, ...indent(type.value.map((value) => `${value.name} = ${value.number};`)), "}"];
}

function extensionLines(fields: FieldDescriptorProto[]): string[] {
  return fields.flatMap((field) => [`extend ${field.extendee} {`, `  ${fieldLine(field, { inOneof: false })}`, "}"]);
}

function messageLines(message: DescriptorProto): string[] {
  if (message.nestedType.some((nested) => nested.options?.mapEntry === true)) {
    throw new Error(`map fields are not printed: ${message.name}`);
  }
  const isInOneof = (field: FieldDescriptorProto): boolean => Object.hasOwn(field, "oneofIndex") && !field.proto3Optional;
  const oneofs = message.oneofDecl.map((oneof, index) => ({
    oneof,
    fields: message.field.filter((field) => isInOneof(field) && field.oneofIndex === index),
  }));
  return [
    `message ${message.name} {`,
    ...indent([
      ...message.nestedType.flatMap(messageLines),
      ...message.enumType.flatMap(enumLines),
      ...message.field.filter((field) => !isInOneof(field)).map((field) => fieldLine(field, { inOneof: false })),
      ...oneofs.flatMap(({ oneof, fields }) => [
        `oneof ${oneof.name} {`,
        ...indent(fields.map((field) => fieldLine(field, { inOneof: true }))),
        "}",
      ]),
      // The descriptor's end is exclusive, the source's is inclusive.
      ...message.extensionRange.map(
        (range) => `extensions ${range.start} to ${range.end === 536870912 ? "max" : range.end - 1};`,
      ),
      ...extensionLines(message.extension),
    ]),
    "}",
  ];
}

export function printProto(file: DescFile): string {
  const { proto } = file;
  return [
    'syntax = "proto2";',
    `package ${proto.package};`,
    ...proto.dependency.map((path) => `import "${path}";`),
    ...proto.enumType.flatMap(enumLines),
    ...proto.messageType.flatMap(messageLines),
    ...extensionLines(proto.extension),
    "",
  ].join("\n");
}

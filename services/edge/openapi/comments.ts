// Comments of contracts, which a descriptor has only where it was built with its source's positions, as `buf build` does.
import type { AnyDesc, DescEnum, DescFile, DescMessage, DescService } from "@bufbuild/protobuf";

/** What a contract says of one of its things; empty where it says nothing. */
export type CommentOf = (desc: AnyDesc) => string;

/** Numbers of the fields in google/protobuf/descriptor.proto whose lists a position's path goes through. */
const inFile = { message: 4, enum: 5, service: 6 };
const inMessage = { field: 2, nested: 3, enum: 4 };
const inEnum = { value: 2 };
const inService = { method: 2 };

export function readComments(files: Iterable<DescFile>): CommentOf {
  const comments = new Map<AnyDesc, string>();
  for (const file of files) readFile(file, comments);
  return (desc) => comments.get(desc) ?? "";
}

function readFile(file: DescFile, comments: Map<AnyDesc, string>): void {
  const byPath = new Map(
    (file.proto.sourceCodeInfo?.location ?? []).map(({ path, leadingComments }) => [path.join("."), tidy(leadingComments)]),
  );
  const note = (desc: AnyDesc, path: readonly number[]): void => {
    const text = byPath.get(path.join("."));
    if (text) comments.set(desc, text);
  };
  const visitEnum = (desc: DescEnum, path: readonly number[]): void => {
    note(desc, path);
    for (const value of desc.values) note(value, [...path, inEnum.value, desc.proto.value.indexOf(value.proto)]);
  };
  const visitMessage = (desc: DescMessage, path: readonly number[]): void => {
    note(desc, path);
    for (const field of desc.fields) note(field, [...path, inMessage.field, desc.proto.field.indexOf(field.proto)]);
    for (const nested of desc.nestedMessages) {
      visitMessage(nested, [...path, inMessage.nested, desc.proto.nestedType.indexOf(nested.proto)]);
    }
    for (const nested of desc.nestedEnums) {
      visitEnum(nested, [...path, inMessage.enum, desc.proto.enumType.indexOf(nested.proto)]);
    }
  };
  const visitService = (desc: DescService, path: readonly number[]): void => {
    note(desc, path);
    for (const method of desc.methods) note(method, [...path, inService.method, desc.proto.method.indexOf(method.proto)]);
  };
  for (const desc of file.messages) visitMessage(desc, [inFile.message, file.proto.messageType.indexOf(desc.proto)]);
  for (const desc of file.enums) visitEnum(desc, [inFile.enum, file.proto.enumType.indexOf(desc.proto)]);
  for (const desc of file.services) visitService(desc, [inFile.service, file.proto.service.indexOf(desc.proto)]);
}

const tidy = (comment: string): string =>
  comment
    .split("\n")
    .map((line) => line.trim())
    .join("\n")
    .trim();

/** A comment's first sentence, for where there is room for one line. */
export function firstSentence(comment: string): string {
  const line = comment.replaceAll(/\s+/g, " ");
  return /^.*?[.:](?= |$)/.exec(line)?.[0].replace(/[.:]$/, "") ?? line;
}

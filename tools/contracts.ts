// Our contracts as the generated code describes them.
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { DescFile, DescMessage } from "@bufbuild/protobuf";
import { root } from "./command.ts";

const isFile = (value: unknown): value is DescFile =>
  typeof value === "object" && value !== null && "kind" in value && value.kind === "file";

/** Every file of ours, also one that nothing imports yet. */
export async function loadContracts(): Promise<DescFile[]> {
  const folder = join(root, "gen/ordermesh");
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith("_pb.ts")).toSorted();
  const modules = await Promise.all(
    names.map(async (name): Promise<Record<string, unknown>> => import(pathToFileURL(join(folder, name)).href)),
  );
  return modules.flatMap((module) => Object.values(module).filter(isFile));
}

const eventPackagePattern = /^ordermesh\.[a-z]+\.events\.v[0-9]+$/;

function referenced(message: DescMessage): DescMessage[] {
  return message.fields.flatMap((field) => (field.message ? [field.message] : []));
}

export interface EventFileMessages {
  /** Stand alone, so each is an event. */
  events: DescMessage[];
  /** Stand only inside other messages, such as a line of an order. */
  parts: DescMessage[];
}

/** The top-level messages of all files of events, by whether another message holds them. */
export function eventMessages(files: readonly DescFile[]): EventFileMessages {
  const messages = files.filter((file) => eventPackagePattern.test(file.proto.package)).flatMap((file) => file.messages);
  const held = new Set(messages.flatMap(referenced).map((message) => message.typeName));
  return {
    events: messages.filter((message) => !held.has(message.typeName)),
    parts: messages.filter((message) => held.has(message.typeName)),
  };
}

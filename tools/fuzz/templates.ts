// Templates and paths: what the routing tree finds, beside a matcher that tries every template for itself.
import { deepStrictEqual } from "node:assert/strict";
import { createFileRegistry, fromJson, type DescMessage } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { compilePath } from "../../services/edge/transcode/path.ts";
import { createRoutingTree } from "../../services/edge/transcode/routing-tree.ts";
import { parseTemplate } from "../../services/edge/transcode/template.ts";
import { Violations } from "../../services/edge/transcode/violations.ts";

/** A template as it was thought of, before it is text. Wildcards that are variables have the number of their field. */
interface Part {
  kind: "literal" | "star" | "rest";
  text: string;
}

interface Thought {
  parts: Part[];
  /** Of each variable, its first part and how many it takes. */
  variables: { start: number; length: number }[];
  verb: string;
}

const fieldsMax = 6;
const requestOfTexts: DescMessage = (() => {
  const field = Array.from({ length: fieldsMax }, (_, index) => ({
    name: `f${index}`,
    jsonName: `f${index}`,
    number: index + 1,
    type: "TYPE_STRING",
    label: "LABEL_OPTIONAL",
  }));
  const file = { name: "t.proto", syntax: "proto3", package: "t", messageType: [{ name: "Texts", field }] };
  const message = createFileRegistry(fromJson(FileDescriptorSetSchema, { file: [file] })).getMessage("t.Texts");
  if (!message) throw new Error("no message t.Texts");
  return message;
})();

// Few letters, so that templates meet.
const literal = fc.constantFrom("a", "b", "v1", "x.y", "%41", "a-b");
const verbs = fc.oneof({ weight: 3, arbitrary: fc.constant("") }, { weight: 1, arbitrary: fc.constantFrom("do", "a", "x.y") });

const thought: fc.Arbitrary<Thought> = fc
  .record({
    pieces: fc.array(fc.tuple(fc.constantFrom("literal", "star", "variable", "multiple"), literal, literal), { maxLength: 4 }),
    end: fc.constantFrom("none", "none", "none", "rest", "variable"),
    verb: verbs,
  })
  .map(({ pieces, end, verb }) => {
    const parts: Part[] = [];
    const variables: Thought["variables"] = [];
    for (const [kind, text, other] of pieces) {
      const start = parts.length;
      if (kind === "literal") parts.push({ kind: "literal", text });
      else parts.push({ kind: "star", text: "*" });
      if (kind === "multiple") parts.push({ kind: "literal", text: other });
      if (kind === "variable" || kind === "multiple") variables.push({ start, length: parts.length - start });
    }
    if (end !== "none") parts.push({ kind: "rest", text: "**" });
    if (end === "variable") variables.push({ start: parts.length - 1, length: 1 });
    return { parts, variables, verb: parts.length === 0 ? "" : verb };
  });

function textOf({ parts, variables, verb }: Thought): string {
  const pieces: string[] = [];
  for (let index = 0; index < parts.length;) {
    const number = variables.findIndex(({ start }) => start === index);
    const variable = variables[number];
    const taken = parts.slice(index, index + (variable?.length ?? 1)).map(({ text }) => text);
    const isPlain = taken.length === 1 && taken[0] === "*";
    pieces.push(variable ? `{f${number}${isPlain ? "" : `=${taken.join("/")}`}}` : taken.join("/"));
    index += taken.length;
  }
  return `/${pieces.join("/")}${verb === "" ? "" : `:${verb}`}`;
}

// What people put into ids, and what they should not.
const filling = fc.oneof(
  fc.string({ minLength: 1, maxLength: 6 }),
  fc.string({ unit: "binary", minLength: 1, maxLength: 4 }),
  fc.constantFrom("a", "b", "v1", "a:b", "x:do", ":a", "a/b", "%2F", "..", ".", "+", " ", "%", "ä"),
);

/** Raw segments: a path that the template should take, or one of anything. */
const pathOf = ({ parts, verb }: Thought, fillings: readonly string[]): { raw: string[]; plain: string[] } => {
  const given = fillings.values();
  const next = (): string => given.next().value ?? "z";
  const plain = parts.flatMap(({ kind, text }) => {
    if (kind === "literal") return [text];
    return kind === "star" ? [next()] : fillings.slice(0, 2);
  });
  const kinds = parts.flatMap(({ kind }) => (kind === "rest" ? fillings.slice(0, 2).map(() => kind) : [kind]));
  const raw = plain.map((text, index) => (kinds[index] === "literal" ? text : encodeSometimes(text)));
  if (verb !== "") raw.push(`${raw.pop() ?? ""}:${verb}`);
  return { raw, plain };
};

/** A colon may stay, and so be taken for a verb's. */
const encodeSometimes = (text: string): string => encodeURIComponent(text).replaceAll("%3A", text.length % 2 === 0 ? ":" : "%3A");

/** The template that should be taken, by the rules as they are said: the verb first, then segment by segment literal, *, **. */
function referenceOf(thoughts: readonly Thought[], raw: readonly string[]): number | undefined {
  const last = raw.at(-1) ?? "";
  const colon = last.lastIndexOf(":");
  const verb = colon < 0 ? "" : last.slice(colon + 1);
  const withVerb = verb === "" ? [] : [...raw.slice(0, -1), last.slice(0, colon)];
  return bestOf(thoughts, verb === "" ? undefined : verb, withVerb) ?? bestOf(thoughts, "", raw);
}

function bestOf(thoughts: readonly Thought[], verb: string | undefined, raw: readonly string[]): number | undefined {
  let best: { index: number; rank: string } | undefined;
  for (const [index, { parts, verb: own }] of thoughts.entries()) {
    if (own !== verb) continue;
    const rank = rankOf(parts, raw);
    if (rank !== undefined && (!best || rank < best.rank)) best = { index, rank };
  }
  return best?.index;
}

/** A letter a segment, the sooner in the alphabet the more exact; undefined where the parts do not take the path. */
function rankOf(parts: readonly Part[], raw: readonly string[]): string | undefined {
  const isOpen = parts.at(-1)?.kind === "rest";
  const fixed = isOpen ? parts.slice(0, -1) : parts;
  if (isOpen ? raw.length < fixed.length : raw.length !== fixed.length) return undefined;
  let rank = "";
  for (const [index, { kind, text }] of fixed.entries()) {
    const segment = raw[index] ?? "";
    if (kind === "literal" ? segment !== text : segment === "") return undefined;
    rank += kind === "literal" ? "a" : "b";
  }
  return isOpen ? `${rank}c` : rank;
}

const isSame = (one: Thought, other: Thought): boolean =>
  one.verb === other.verb && one.parts.map(keyOf).join("/") === other.parts.map(keyOf).join("/");
const keyOf = ({ text }: Part): string => text;

export const templates: fc.IProperty<[Thought[], string[], string[] | undefined]> = fc.property(
  fc.uniqueArray(thought, { minLength: 1, maxLength: 6, comparator: isSame }),
  fc.array(filling, { minLength: 2, maxLength: 6 }),
  fc.option(fc.array(fc.oneof(literal, fc.constantFrom("", "a:do", "b:a", "%", "x"), fc.webSegment()), { maxLength: 5 }), {
    nil: undefined,
    freq: 2,
  }),
  (thoughts, fillings, anything) => {
    const tree = createRoutingTree<number>();
    const parsed = thoughts.map((each) => parseTemplate(textOf(each)));
    for (const [index, template] of parsed.entries()) deepStrictEqual(tree.add("GET", template, index), undefined);
    const [own] = thoughts as [Thought];
    const { raw, plain } = anything ? { raw: anything, plain: [] } : pathOf(own, fillings);
    const found = tree.find("GET", `/${raw.join("/")}`);
    const isRoot = raw.length === 0 || (raw.length === 1 && raw[0] === "");
    const want = referenceOf(thoughts, isRoot ? [] : raw);
    deepStrictEqual(found.kind === "found" ? found.route : undefined, want);
    if (!anything && found.kind !== "found") throw new Error(`${textOf(own)} does not take its own path /${raw.join("/")}`);
    if (!anything && want === 0 && found.kind === "found") bindsWhatWasPutIn(own, found.segments, plain);
  },
);

function bindsWhatWasPutIn(own: Thought, segments: readonly string[], plain: readonly string[]): void {
  const problems: string[] = [];
  const message: Record<string, unknown> = {};
  const violations = new Violations();
  compilePath(requestOfTexts, parseTemplate(textOf(own)), problems)(segments, message, violations);
  deepStrictEqual([problems, violations.list], [[], []]);
  for (const [number, { start, length }] of own.variables.entries()) {
    const isOpen = own.parts[start + length - 1]?.kind === "rest";
    const end = isOpen ? plain.length : start + length;
    const texts = plain.slice(start, end).map((text, index) => partText(own.parts[start + index], text));
    // Over several segments an encoded slash stays as it came, or the bounds of segments would be lost.
    const want = length > 1 || isOpen ? texts.map((text) => text.replaceAll("/", "%2F")).join("/") : texts.join("/");
    deepStrictEqual(message[`f${number}`], want);
  }
}

/** A literal is written as the path has it, and read like everything else. */
const partText = (part: Part | undefined, text: string): string => (part?.kind === "literal" ? decodeURIComponent(text) : text);

// Entity tags: an answer's field "etag" as the header ETag, and the conditions of a request about it. RFC 9110, sections 8.8.3 and 13.
import type { IncomingMessage } from "node:http";
import { ScalarType, type DescField, type DescMessage, type Message } from "@bufbuild/protobuf";
import type { ErrorAnswer } from "./errors.ts";
import type { Fields } from "./field-path.ts";
import { EdgeRefusal, invalidRequest, rpcCode } from "./status.ts";

/** The tag of an answer as the header has it; undefined where it has none. */
export type EtagOf = (response: Message) => string | undefined;

const entityTag = /^(?:W\/)?"[\x21\x23-\x7e]*"$/;

const etagFieldOf = (message: DescMessage | undefined): DescField | undefined => {
  const field = message?.fields.find(({ name }) => name === "etag");
  return field?.fieldKind === "scalar" && !field.oneof && field.scalar === ScalarType.STRING ? field : undefined;
};

/** @param field The field that is answered; undefined where the whole response is. Undefined where the answer knows no etag. */
export function compileEtag(output: DescMessage, field: DescField | undefined): EtagOf | undefined {
  const answered = field ? (field.fieldKind === "message" ? field.message : undefined) : output;
  const etag = etagFieldOf(answered);
  if (!etag) return undefined;
  return (response) => {
    const message = field ? ((response as Fields)[field.localName] as Fields | undefined) : (response as Fields);
    const tag = message?.[etag.localName];
    // What is no tag by its grammar cannot be a header either. AIP-154 asks for one, with its quotes.
    return typeof tag === "string" && entityTag.test(tag) ? tag : undefined;
  };
}

/** A tag names a state and not its bytes, which differ by how they are compressed: so a weak one is as good. */
const opaque = (tag: string): string => tag.replace(/^W\//, "");

export const weak = (tag: string): string => (tag.startsWith("W/") ? tag : `W/${tag}`);

const tagsOf = (header: string): string[] => (header.match(/(?:W\/)?"[\x21\x23-\x7e]*"/g) ?? []).map(opaque);

/** True where the caller has this state already: the answer is 304 then. */
export function isKnown({ method, headers }: IncomingMessage, etag: string): boolean {
  const given = headers["if-none-match"];
  if (given === undefined || (method !== "GET" && method !== "HEAD")) return false;
  return given.trim() === "*" || tagsOf(given).includes(opaque(etag));
}

/** Puts If-Match into the request's own etag. */
export type ConditionBinder = (request: IncomingMessage, message: Fields) => void;

/**
 * Where a method cannot compare, the condition is refused and not passed over: who sends one wants to lose nobody's change.
 * On methods that only read it means nothing here.
 */
export function compileIfMatch(input: DescMessage): ConditionBinder {
  const field = etagFieldOf(input);
  return function bindIfMatch({ method, headers }, message) {
    const given = headers["if-match"];
    if (given === undefined || method === "GET" || method === "HEAD") return;
    if (!field) {
      throw new EdgeRefusal(rpcCode.invalidArgument, "CONDITION_NOT_SUPPORTED", "this method knows no If-Match, send it without");
    }
    // "*" asks that there be something, as every change does.
    if (given.trim() === "*") return;
    const tags = tagsOf(given);
    const [tag] = tags;
    if (tags.length !== 1 || tag === undefined || !entityTag.test(given.trim())) {
      throw invalidRequest([{ field: "If-Match", description: 'must be one entity tag, such as "5", or *' }]);
    }
    const own = message[field.localName];
    if (typeof own === "string" && own !== "" && opaque(own) !== tag) {
      throw invalidRequest([{ field: field.name, description: "says something else than If-Match" }]);
    }
    message[field.localName] = tag;
  };
}

/** What a method refuses as ABORTED, asked for by If-Match, is a condition that did not hold. */
export const failedCondition = ({ headers }: IncomingMessage, answer: ErrorAnswer): ErrorAnswer =>
  headers["if-match"] !== undefined && answer.status.code === rpcCode.aborted ? { ...answer, httpStatus: 412 } : answer;

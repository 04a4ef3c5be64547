// Texts with placeholders such as {{order_id}}: what of a template is wrong, and what it says with values in it. There is nothing
// but placeholders: no condition, no loop, nothing that runs.
import type { Channel, Fact, Values } from "./facts.ts";
import { placeholdersOf } from "./facts.ts";

export interface Content {
  subject: string;
  text: string;
  html: string;
}

/** Bounds what a text can grow to: values have no more than some hundred characters. */
const placeholdersMax = 100;
const smsCharactersMax = 1_000;
const placeholderPattern = /(?<!\{)\{\{ ?([a-z_]+) ?\}\}(?!\})/g;

/** What is wrong with a template, by field; nothing where it can be used. */
export function problemsOf(content: Content, { fact, channel }: { fact: Fact; channel: Channel }): Record<string, string> {
  const problems: Record<string, string> = {};
  for (const field of ["subject", "text", "html"] as const) {
    const problem = problemOfText(content[field], placeholdersOf(fact));
    if (problem) problems[field] = problem;
  }
  if (/[\r\n]/.test(content.subject)) problems["subject"] = "has more than one line";
  if (channel === "sms" && content.subject !== "") problems["subject"] = "an SMS has none";
  if (channel !== "sms" && content.subject === "") problems["subject"] = "is missing";
  if (channel !== "email" && content.html !== "") problems["html"] = "only mails have it";
  if (channel !== "email" && content.text.length > smsCharactersMax) {
    problems["text"] = `has ${content.text.length} characters, ${smsCharactersMax} at most`;
  }
  return problems;
}

function problemOfText(text: string, known: readonly string[]): string | undefined {
  const used = [...text.matchAll(placeholderPattern)].map(([, name = ""]) => name);
  const unknown = used.find((name) => !known.includes(name));
  if (unknown !== undefined) return `{{${unknown}}} is unknown here; known are ${known.map((name) => `{{${name}}}`).join(", ")}`;
  if (/\{\{|\}\}/.test(text.replaceAll(placeholderPattern, ""))) return "has {{ or }} that belongs to no placeholder";
  return used.length > placeholdersMax ? `has ${used.length} placeholders, ${placeholdersMax} at most` : undefined;
}

/** Values stand where their placeholders stood, and are not looked through for others. */
export function render({ subject, text, html }: Content, values: Values): Content {
  return {
    subject: oneLine(fill(subject, values, oneLine)),
    text: fill(text, values, (value) => value),
    html: fill(html, values, escapeHtml),
  };
}

const fill = (text: string, values: Values, prepare: (value: string) => string): string =>
  text.replaceAll(placeholderPattern, (_, name: string) => prepare(values[name] ?? ""));

/** A line break in a subject would begin another header. */
// oxlint-disable-next-line no-control-regex -- they are what is meant
const oneLine = (text: string): string => text.replaceAll(/[\u0000-\u001f\u007f\u2028\u2029]+/g, " ");

const entities: Values = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escapeHtml = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? "");

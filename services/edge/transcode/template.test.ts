// What templates mean, by the grammar of google/api/http.proto. Those that are refused are in contracts.test.ts.
import { expect, test } from "vitest";
import { parseTemplate, type TemplateSegment } from "./template.ts";

const written = (segment: TemplateSegment): string => {
  if (segment.kind === "literal") return segment.text;
  return segment.kind === "star" ? "*" : "**";
};

test.each([
  { template: "/", segments: [], variables: {}, verb: "" },
  { template: "/a", segments: ["a"], variables: {}, verb: "" },
  { template: "/a/b/c", segments: ["a", "b", "c"], variables: {}, verb: "" },
  { template: "/*", segments: ["*"], variables: {}, verb: "" },
  { template: "/a/*/b", segments: ["a", "*", "b"], variables: {}, verb: "" },
  { template: "/**", segments: ["**"], variables: {}, verb: "" },
  { template: "/a/**", segments: ["a", "**"], variables: {}, verb: "" },
  { template: "/{f}", segments: ["*"], variables: { f: [0, 1, false] }, verb: "" },
  { template: "/{f=*}", segments: ["*"], variables: { f: [0, 1, false] }, verb: "" },
  { template: "/{f=a}", segments: ["a"], variables: { f: [0, 1, false] }, verb: "" },
  { template: "/{f.g_h.i2}", segments: ["*"], variables: { "f.g_h.i2": [0, 1, false] }, verb: "" },
  { template: "/{f=a/*}", segments: ["a", "*"], variables: { f: [0, 2, true] }, verb: "" },
  { template: "/{f=a/*/b/*}/c", segments: ["a", "*", "b", "*", "c"], variables: { f: [0, 4, true] }, verb: "" },
  { template: "/{f=**}", segments: ["**"], variables: { f: [0, undefined, true] }, verb: "" },
  { template: "/a/{f=b/**}", segments: ["a", "b", "**"], variables: { f: [1, undefined, true] }, verb: "" },
  { template: "/{f}/{g}", segments: ["*", "*"], variables: { f: [0, 1, false], g: [1, 2, false] }, verb: "" },
  { template: "/{f}/a/{g=b/*}", segments: ["*", "a", "b", "*"], variables: { f: [0, 1, false], g: [2, 4, true] }, verb: "" },
  { template: "/a:b", segments: ["a"], variables: {}, verb: "b" },
  { template: "/*:b", segments: ["*"], variables: {}, verb: "b" },
  { template: "/**:b", segments: ["**"], variables: {}, verb: "b" },
  { template: "/{f}:b", segments: ["*"], variables: { f: [0, 1, false] }, verb: "b" },
  { template: "/{f=a/**}:b.c", segments: ["a", "**"], variables: { f: [0, undefined, true] }, verb: "b.c" },
  { template: "/%41b", segments: ["%41b"], variables: {}, verb: "" },
  { template: "/a.b-c_d~e", segments: ["a.b-c_d~e"], variables: {}, verb: "" },
  { template: "/a@b!$&'()+,;", segments: ["a@b!$&'()+,;"], variables: {}, verb: "" },
])("$template", ({ template, segments, variables, verb }) => {
  const parsed = parseTemplate(template);
  expect(parsed.segments.map(written)).toEqual(segments);
  const found = parsed.variables.map(({ fieldPath, start, end, multiple }) => [fieldPath, [start, end, multiple]]);
  expect(Object.fromEntries(found)).toEqual(variables);
  expect(parsed.verb).toBe(verb);
});

import { RE2JS } from "@bufbuild/re2";
import { expect, test } from "vitest";
import { matchesPattern } from "./patterns.ts";

const plain = ["^[A-Za-z0-9_-]{1,64}$", "^(\\+[1-9][0-9]{6,14})?$", "^([A-Z]{2})?$", "^[a-z]+(\\.[a-z]+)?$", "^.{1,3}$", "[)+]"];
const beyond = ["^[a-z]+(\\.[a-z]+)*$", "(?i)^de$", "^\\pL+$", "^\\d+\\z", "^(?:a|b)+$"];
const texts = [
  "",
  "a",
  "A\n",
  "a\nb",
  "\n",
  "DE",
  "DEU",
  "+4917012345",
  "ab.cd",
  "ab.cd.ef",
  "😀😀😀",
  "日本語",
  ")",
  "x".repeat(65),
  "a b",
];

test.each([...plain, ...beyond])("%s matches what RE2 matches", (pattern) => {
  for (const text of texts) expect([text, matchesPattern(pattern, text)]).toEqual([text, RE2JS.compile(pattern).test(text)]);
});

test("what would backtrack without end does not", () => {
  const endless = `${"a".repeat(50_000)}b`;
  for (const pattern of ["^(a+)+$", "^(a|aa){2,}$", "^([a-z]*)*$"])
    expect(matchesPattern(pattern, endless)).toBe(pattern.includes("z"));
});

test.each(["[", "(?=a)b", "(a)\\1"])("%s is no pattern", (pattern) => {
  expect(() => matchesPattern(pattern, "a")).toThrow("error parsing regexp");
});

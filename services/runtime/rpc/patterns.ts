// The patterns of contracts. protovalidate matches them by RE2 written in JavaScript, which took a third of what it takes to check a
// request; the runtime's own engine is many times as fast, but backtracks, so it gets only what cannot make it do so for long.
import { RE2JS } from "@bufbuild/re2";

interface Matcher {
  test(text: string): boolean;
}

/** A group that repeats may try the same text in many ways. The rest is another language in one engine than in the other. */
const beyondPlain = /\)[*+{]|\(\?|\\[^.+*?^$()[\]{}|\\/-]/;
const classes = /\[(?:[^\]\\]|\\.)*\]/g;

const matchers = new Map<string, Matcher>();

const isPlain = (pattern: string): boolean => !beyondPlain.test(pattern.replaceAll(classes, "x"));

/** A matcher for protovalidate. Throws where the pattern is none of RE2's. */
export function matchesPattern(pattern: string, text: string): boolean {
  let matcher = matchers.get(pattern);
  if (!matcher) {
    // What the one takes and the other does not is not plain, whatever it looks like.
    matcher = RE2JS.compile(pattern);
    if (isPlain(pattern)) matcher = new RegExp(pattern, "u");
    matchers.set(pattern, matcher);
  }
  return matcher.test(text);
}

// A page token is good for whom it was given to, and for nobody else.
import { expect, test } from "vitest";
import { readPageToken, writePageToken } from "./page-token.ts";
import { runInContext } from "./request-context.ts";

const asTenant = <Result>(tenant: string, work: () => Result): Result =>
  runInContext({ requestId: "req_test", traceparent: "", tenant }, work);

test("a token leads its tenant on, and is refused to another", () => {
  const token = asTenant("ours", () => writePageToken("ord_1:2"));
  expect(asTenant("ours", () => readPageToken(token))).toBe("ord_1:2");
  expect(() => asTenant("theirs", () => readPageToken(token))).toThrow("page_token");
  expect(() => asTenant("", () => readPageToken(token))).toThrow("page_token");
});

test("a tenant whose name looks like a token's key gets nobody else's place", () => {
  const token = asTenant("a|b", () => writePageToken("c"));
  expect(asTenant("a|b", () => readPageToken(token))).toBe("c");
  expect(() => asTenant("a", () => readPageToken(token))).toThrow("page_token");
});

test.each(["ord_1", "|", "ours|", "ours|a b", "theirs|ord_1"])("%s, encoded, is none", (text) => {
  const token = Buffer.from(text).toString("base64url");
  expect(() => asTenant("ours", () => readPageToken(token))).toThrow("page_token");
});

test("the first page has none", () => {
  expect(asTenant("ours", () => readPageToken(""))).toBeUndefined();
});

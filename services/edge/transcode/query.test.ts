// A query sets what the path and the body leave, by proto or JSON names, and says everything that is wrong with it.
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { messageCoercer } from "./coerce.ts";
import { compileContracts, serviceOf } from "./fixture/contracts.ts";
import { detailOf, startTestEdge, violatedFields, type ErrorBody, type TestEdge } from "./fixture/edge.ts";

let edge: TestEdge;

beforeAll(async () => {
  const contracts = await compileContracts();
  edge = await startTestEdge(["EchoService", "RouteService"].map((name) => serviceOf(contracts, `edge.fixture.v1.${name}`)));
});
afterAll(() => edge.close(1_000));

/** The request as the service heard it. */
async function heardOf(target: string, init?: RequestInit): Promise<unknown> {
  edge.heard.length = 0;
  const response = await fetch(edge.url + target, init);
  expect(await response.text()).not.toContain('"code"');
  return edge.heard[0]?.request;
}

async function refusalOf(target: string, init?: RequestInit): Promise<{ fields: unknown[]; body: ErrorBody; text: string }> {
  const response = await fetch(edge.url + target, init);
  expect(response.status).toBe(400);
  const text = await response.text();
  const body = JSON.parse(text);
  expect(body.code).toBe(3);
  expect(detailOf(body, "ErrorInfo")).toMatchObject({ reason: "INVALID_ARGUMENT", domain: "ordermesh" });
  return { fields: violatedFields(body), body, text };
}

describe("values", () => {
  test.each([
    ["text=a+b%2Bc", { text: "a b+c" }],
    ["text=", {}],
    ["text=a=b", { text: "a=b" }],
    ["text=%E2%82%AC", { text: "€" }],
    ["", {}],
    ["&&text=x&", { text: "x" }],
    ["flag=true", { flag: true }],
    ["flag=false", {}],
    ["int32_value=-12", { int32Value: -12 }],
    ["int32Value=12", { int32Value: 12 }],
    ["int32Value=-0", {}],
    ["uint32Value=4294967295", { uint32Value: 4294967295 }],
    ["int64_value=9223372036854775807", { int64Value: "9223372036854775807" }],
    ["int64Value=-9223372036854775808", { int64Value: "-9223372036854775808" }],
    ["uint64Value=18446744073709551615", { uint64Value: "18446744073709551615" }],
    ["numberText=9007199254740993", { numberText: "9007199254740993" }],
    ["floatValue=1.5", { floatValue: 1.5 }],
    ["doubleValue=-1e-3", { doubleValue: -0.001 }],
    ["doubleValue=NaN", { doubleValue: "NaN" }],
    ["doubleValue=-Infinity", { doubleValue: "-Infinity" }],
    ["floatValue=Infinity", { floatValue: "Infinity" }],
    ["data=-_8", { data: "+/8=" }],
    ["data=%2B/8%3D", { data: "+/8=" }],
    ["color=COLOR_RED", { color: "COLOR_RED" }],
    ["color=2", { color: "COLOR_BLUE" }],
    ["color=77", { color: 77 }],
    ["texts=a&texts=b", { texts: ["a", "b"] }],
    ["numbers=1&numbers=2&colors=1&colors=COLOR_BLUE", { numbers: [1, 2], colors: ["COLOR_RED", "COLOR_BLUE"] }],
    ["time=2026-01-31T12:00:00.5%2B01:00", { time: "2026-01-31T11:00:00.500Z" }],
    ["time=2024-02-29T00:00:00Z", { time: "2024-02-29T00:00:00Z" }],
    ["duration=-1.5s", { duration: "-1.500s" }],
    ["mask=title,basePrice.currencyCode", { mask: "title,basePrice.currencyCode" }],
    ["mask=base_price", { mask: "basePrice" }],
    ["wrappedText=", { wrappedText: "" }],
    ["wrappedText=x&wrapped_number=7&wrappedFlag=false", { wrappedText: "x", wrappedNumber: "7", wrappedFlag: false }],
    ["wrappedChoice=x", { wrappedChoice: "x" }],
    ["optionalText=", { optionalText: "" }],
    ["left=x", { left: "x" }],
    ["right=0", { right: 0 }],
    ["inner.name=a&inner.count=2&inner.tags=x&inner.tags=y", { inner: { name: "a", count: 2, tags: ["x", "y"] } }],
    ["inner.inner.inner.name=deep", { inner: { inner: { inner: { name: "deep" } } } }],
    ["innerChoice.name=a&inner_choice.count=1", { innerChoice: { name: "a", count: 1 } }],
  ])("?%s", async (query, want) => {
    expect(await heardOf(`/query?${query}`)).toEqual(want);
  });
});

describe("refused, and the parameter is named", () => {
  test.each([
    ["nope=1", "nope"],
    ["Text=1", "Text"],
    ["inner.nope=1", "inner.nope"],
    ["text.more=1", "text.more"],
    ["time.seconds=1", "time.seconds"],
    ["wrappedText.value=1", "wrappedText.value"],
    ["__proto__=1", "__proto__"],
    ["constructor=1", "constructor"],
    [".text=1", ".text"],
    ["text%ff=1", "text%ff"],
    ["text=%zz", "text"],
    ["flag=1", "flag"],
    ["flag", "flag"],
    ["flag=TRUE", "flag"],
    ["int32Value=2147483648", "int32_value"],
    ["int32Value=0x10", "int32_value"],
    ["int32Value=", "int32_value"],
    ["int32Value=1.0", "int32_value"],
    ["int32Value=%201", "int32_value"],
    ["uint32Value=-1", "uint32_value"],
    ["int64Value=9223372036854775808", "int64_value"],
    ["uint64Value=-1", "uint64_value"],
    ["floatValue=1e39", "float_value"],
    ["doubleValue=1e400", "double_value"],
    ["doubleValue=", "double_value"],
    ["doubleValue=0x1", "double_value"],
    ["data=a", "data"],
    ["data=+", "data"],
    ["data=a b", "data"],
    ["data=****", "data"],
    ["color=GREEN", "color"],
    ["color=", "color"],
    ["color=99999999999", "color"],
    ["time=2026-02-30T00:00:00Z", "time"],
    ["time=2026-01-01", "time"],
    ["time=2026-01-01T24:00:00Z", "time"],
    ["time=2026-01-31T12:00:00+01:00", "time"],
    ["duration=1.5", "duration"],
    ["duration=1.5sx", "duration"],
    ["duration=1.1234567891s", "duration"],
    ["duration=999999999999s", "duration"],
    ["mask=a,,b", "mask"],
    ["inner=x", "inner"],
    ["inners=x", "inners"],
    ["inners.name=x", "inners.name"],
    ["labels=x", "labels"],
    ["labels.a=x", "labels.a"],
    ["struct=x", "struct"],
    ["any=x", "any"],
    ["text=a&text=b", "text"],
    ["int32Value=1&int32_value=2", "int32_value"],
    ["left=a&right=1", "right"],
    ["left=a&innerChoice.name=b", "inner_choice.name"],
    ["wrappedText=a&wrapped_text=b", "wrapped_text"],
  ])("?%s", async (query, field) => {
    const { fields } = await refusalOf(`/query?${query}`);
    expect(fields).toEqual([field]);
  });

  test("everything that is wrong is named at once", async () => {
    const { fields, body } = await refusalOf("/query?nope=1&flag=2&color=GREEN&int32Value=x");
    expect(fields).toEqual(["nope", "flag", "color", "int32_value"]);
    expect(body.message).toBe("nope: unknown parameter (and 3 more)");
  });

  test("a parameter a hundred names deep is one unknown parameter", async () => {
    const { fields } = await refusalOf(`/query?${"inner.".repeat(100)}name=x`);
    expect(fields).toHaveLength(1);
  });
});

describe("path, body and query are disjoint", () => {
  test.each([
    ["/t/a?text=b", "text"],
    ["/nested/a?inner.inner.name=b", "inner.inner.name"],
    ["/chosen/a?left=b", "left"],
    ["/chosen/a?right=1", "right"],
    ["/chosen/a?innerChoice.name=b", "innerChoice.name"],
  ])("GET %s cannot override its path", async (target, field) => {
    expect((await refusalOf(target)).fields).toEqual([field]);
  });

  test("a query may set what is beside a path's field", async () => {
    expect(await heardOf("/nested/a?inner.inner.count=1&inner.name=b")).toEqual({
      inner: { name: "b", inner: { name: "a", count: 1 } },
    });
  });

  const json = (method: string, body: string): RequestInit => ({ method, body, headers: { "content-type": "application/json" } });

  test("a body of * leaves nothing to the query", async () => {
    expect((await refusalOf("/post?flag=true", json("POST", "{}"))).fields).toEqual(["flag"]);
  });

  test("a query cannot reach into the body's field", async () => {
    const { fields } = await refusalOf("/inner/a?inner.name=b&flag=true", json("PATCH", "{}"));
    expect(fields).toEqual(["inner.name"]);
  });

  test("a query sets what path and body leave", async () => {
    expect(await heardOf("/inner/a?flag=true", json("PATCH", '{"count":3}'))).toEqual({
      text: "a",
      inner: { count: 3 },
      flag: true,
    });
  });

  test.each([
    ["PUT", "/post/path", '{"text":"body","flag":true}', { text: "path", flag: true }],
    ["POST", "/named/path", '{"name":"body","count":1}', { inner: { name: "path", count: 1 } }],
    ["POST", "/named/path", "null", { inner: { name: "path" } }],
  ])("%s %s: the path wins over the body %s", async (method, target, body, want) => {
    expect(await heardOf(target, json(method, body))).toEqual(want);
  });

  test("wrong query, wrong body and wrong path are told together", async () => {
    const { fields } = await refusalOf("/inner/%ff?nope=1", json("PATCH", '{"count":"x","other":1}'));
    expect(fields).toEqual(["inner.count", "inner.other", "nope", "text"]);
  });
});

test("a mask's path that only proto names can write stays what it is", () => {
  const mask = messageCoercer(FieldMaskSchema)?.("address_1,a__b,inner.baseName");
  expect(mask).toMatchObject({ paths: ["address_1", "a__b", "inner.base_name"] });
});

// Bodies: what is taken, what is refused and how it is told, also to a caller that goes on sending.
import { createConnection } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compileContracts, serviceOf } from "./fixture/contracts.ts";
import {
  detailOf,
  errorOf,
  parseAnswer,
  rawRequest,
  sendRaw,
  startTestEdge,
  violatedFields,
  type ErrorBody,
  type TestEdge,
} from "./fixture/edge.ts";

let edge: TestEdge;

beforeAll(async () => {
  const contracts = await compileContracts();
  edge = await startTestEdge([serviceOf(contracts, "edge.fixture.v1.EchoService")]);
});
afterAll(() => edge.close(1_000));

async function post(body: string | Uint8Array<ArrayBuffer>, target = "/post", headers: Record<string, string> = {}) {
  edge.heard.length = 0;
  const response = await fetch(edge.url + target, {
    method: "POST",
    body,
    headers: { "content-type": "application/json", ...headers },
  });
  const json = await errorOf(response);
  return { status: response.status, json, request: edge.heard[0]?.request, response };
}

const reasonOf = (body: ErrorBody): unknown => detailOf(body, "ErrorInfo")?.["reason"];

describe("taken", () => {
  test.each([
    ["{}", {}],
    ["", {}],
    ['\u{feff}{"flag":true}', { flag: true }],
    ['{"int32_value":1,"int64Value":"2"}', { int32Value: 1, int64Value: "2" }],
    ['{"int64Value":9007199254740991}', { int64Value: "9007199254740991" }],
    ['{"int64Value":"9007199254740993"}', { int64Value: "9007199254740993" }],
    ['{"doubleValue":20000000000000000000}', { doubleValue: 20000000000000000000 }],
    ['{"doubles":[20000000000000000000]}', { doubles: [20000000000000000000] }],
    ['{"weights":{"a":20000000000000000000}}', { weights: { a: 20000000000000000000 } }],
    ['{"text":"{\\"text\\":12345678901234567890,\\"text\\":1}"}', { text: '{"text":12345678901234567890,"text":1}' }],
    ['{"inners":[{"name":"a"},{"name":"a"}]}', { inners: [{ name: "a" }, { name: "a" }] }],
    [
      '{"any":{"@type":"type.googleapis.com/edge.fixture.v1.Inner","name":"x"}}',
      { any: { "@type": "type.googleapis.com/edge.fixture.v1.Inner", name: "x" } },
    ],
    ['{"struct":{"a":[1,null,{"b":"c"}]}}', { struct: { a: [1, null, { b: "c" }] } }],
    ['{"text":null,"inner":null}', {}],
    ['{"labels":{"__proto__":"x"}}', { labels: Object.fromEntries([["__proto__", "x"]]) }],
  ])("%s", async (body, want) => {
    const { status, request } = await post(body);
    expect(status).toBe(200);
    expect(request).toEqual(want);
  });

  test("a body may be one scalar field", async () => {
    expect((await post('"x"', "/word")).request).toEqual({ text: "x" });
  });

  test.each(["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"'])(
    "as %s",
    async (type) => {
      expect((await post("{}", "/post", { "content-type": type })).status).toBe(200);
    },
  );

  test("a body in chunks", async () => {
    const chunked = { "Content-Type": "application/json", "Transfer-Encoding": "chunked" };
    const { status, body } = await sendRaw(
      edge.port,
      rawRequest("POST", "/post", chunked, '6\r\n{"text\r\n8\r\n":"abcd"\r\n1\r\n}\r\n0\r\n\r\n'),
    );
    expect(status).toBe(200);
    expect(body).toContain('"abcd"');
  });
});

describe("refused for its form", () => {
  test.each([
    ["{", /JSON/],
    ['{"text":"a"} x', /after JSON/],
    ["{'text':1}", /JSON/],
    ['{"text":1,}', /JSON/],
    ["NaN", /JSON/],
    [new Uint8Array([0x7b, 0xff, 0x7d]), /UTF-8/],
  ])("%s: with the reason", async (body, why) => {
    const { status, json } = await post(body);
    expect(status).toBe(400);
    expect(reasonOf(json)).toBe("MALFORMED_JSON");
    expect(json.message).toMatch(why);
  });
});

describe("refused for its content, and all of it is named", () => {
  test.each([
    ["[]", [""]],
    ["3", [""]],
    ["null", [""]],
    ['{"nope":1,"inner":{"other":2}}', ["nope", "inner.other"]],
    ['{"text":"a","text":"b"}', ["text"]],
    ['{"text":"a","te\\u0078t":"b"}', ["text"]],
    ['{"inners":[{},{"name":"a","name":"b"}]}', ["inners[1].name"]],
    ['{"labels":{"a":"1","a":"2"}}', ["labels.a"]],
    ['{"int32Value":1,"int32_value":2}', ["int32_value"]],
    ['{"int64Value":9007199254740993}', ["int64Value"]],
    ['{"int64Value":-9007199254740993,"struct":{"id":12345678901234567890}}', ["int64Value", "struct.id"]],
    [
      '{"inner":{"count":"x"},"flag":"true","color":"GREEN","inners":[{"count":1},{"count":2.5}]}',
      ["inner.count", "flag", "color", "inners[1].count"],
    ],
    ['{"left":"a","right":1}', ["right"]],
    ['{"text":"\\ud800"}', ["text"]],
    ['{"struct":{"a":["b","\\ud800"]}}', ["struct.a[1]"]],
    ['{"struct":{"\\udfff":1}}', ["struct"]],
    ['{"mask":"\\ud800","inners":[{"name":"\\ud83d\\ude00"}]}', ["mask"]],
    ['{"texts":["a",null,3]}', ["texts[1]", "texts[2]"]],
    ['{"texts":"a"}', ["texts"]],
    ['{"labels":{"a":1}}', ['labels["a"]']],
    ['{"time":"yesterday","duration":"1m","mask":"a_b"}', ["time", "duration", "mask"]],
    ['{"data":"*"}', ["data"]],
    ['{"any":{"@type":"type.googleapis.com/not.Known"}}', ["any"]],
    [`{"inner":${'{"inner":'.repeat(300)}{}${"}".repeat(300)}}`, [""]],
    [`{"struct":{"a":${"[".repeat(150)}${"]".repeat(150)}}}`, ["struct"]],
  ])("%s", async (body, fields) => {
    const { status, json } = await post(body);
    expect(status).toBe(400);
    expect(reasonOf(json)).toBe("INVALID_ARGUMENT");
    expect(violatedFields(json)).toEqual(fields);
  });

  test("a mistake in the body's field is named with the field", async () => {
    const response = await fetch(`${edge.url}/inner/x`, {
      method: "PATCH",
      body: '{"count":9007199254740993,"name":"a","name":"b"}',
      headers: { "content-type": "application/json" },
    });
    expect(violatedFields(await errorOf(response))).toEqual(["inner.name", "inner.count", "inner.count"]);
  });

  test("a megabyte of brackets costs one violation", async () => {
    const { status, json } = await post("[".repeat(500_000) + "]".repeat(500_000));
    expect(status).toBe(400);
    expect(violatedFields(json)[0]).toBe("");
  });

  test("ten thousand mistakes are told as a hundred", async () => {
    const { json } = await post(
      JSON.stringify(Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`f${index}`, 1]))),
    );
    expect(violatedFields(json)).toHaveLength(100);
  });
});

describe("where a method takes none", () => {
  test.each(["GET", "DELETE"])("%s with a body is refused", async (method) => {
    const target = method === "GET" ? "/query" : "/things/x";
    for (const headers of [{ "Content-Length": "2" }, { "Transfer-Encoding": "chunked" }]) {
      const body = "Content-Length" in headers ? "{}" : "2\r\n{}\r\n0\r\n\r\n";
      const answer = await sendRaw(edge.port, rawRequest(method, target, headers, body));
      expect(answer.status).toBe(400);
      expect(answer.body).toContain("BODY_NOT_ALLOWED");
    }
  });

  test.each([
    [{ "Content-Length": "0" }, ""],
    [{ "Transfer-Encoding": "chunked" }, "0\r\n\r\n"],
  ])("an empty one (%o) is none", async (headers, body) => {
    expect((await sendRaw(edge.port, rawRequest("POST", "/bare/x", headers, body))).status).toBe(200);
  });
});

describe("refused for its type", () => {
  test.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/jsonx",
    "application/json; charset=latin1",
    "application/json, text/plain",
  ])("%s is 415", async (type) => {
    const { status, json } = await post("{}", "/post", { "content-type": type });
    expect(status).toBe(415);
    expect(reasonOf(json)).toBe("UNSUPPORTED_MEDIA_TYPE");
  });

  test("no type is 415", async () => {
    expect((await sendRaw(edge.port, rawRequest("POST", "/post", { "Content-Length": "2" }, "{}"))).status).toBe(415);
  });

  test("a body that is compressed in a way that is not known here is 415", async () => {
    expect((await post("{}", "/post", { "content-encoding": "zstd" })).status).toBe(415);
  });
});

describe("over the limit of 4 MiB", () => {
  const mebibyte = 1_048_576;
  const quoted = (bytes: number): string => `{"text":"${"a".repeat(bytes - 11)}"}`;

  test("exactly the limit is taken", async () => {
    expect((await post(quoted(4 * mebibyte))).status).toBe(200);
  });

  test("one byte more is 413", async () => {
    const { status, json } = await post(quoted(4 * mebibyte + 1));
    expect(status).toBe(413);
    expect(reasonOf(json)).toBe("BODY_TOO_LARGE");
  });

  test("fetch gets the answer while it sends 10 MB", async () => {
    const { status, response } = await post(quoted(10_000_000));
    expect(status).toBe(413);
    expect(response.headers.get("connection")).toBe("close");
  });

  test.each(["Content-Length", "chunked"])(
    "a caller that sends 10 MB before it reads gets the answer and a clean end (%s)",
    async (how) => {
      const chunk = Buffer.alloc(100_000, "a");
      const socket = createConnection({ port: edge.port, host: "127.0.0.1" });
      const head = how === "chunked" ? { "Transfer-Encoding": "chunked" } : { "Content-Length": "10000000" };
      let text = "";
      const errors: string[] = [];
      socket.on("error", (error) => errors.push(error.message));
      const send = (bytes: Buffer | string) =>
        new Promise<void>((resolve) => void (socket.write(bytes) ? resolve() : socket.once("drain", resolve)));
      const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
      await send(rawRequest("POST", "/post", { "Content-Type": "application/json", ...head }));
      for (let sent = 0; sent < 100; sent += 1) {
        await send(how === "chunked" ? Buffer.concat([Buffer.from("186a0\r\n"), chunk, Buffer.from("\r\n")]) : chunk);
      }
      if (how === "chunked") await send("0\r\n\r\n");
      socket.on("data", (data) => (text += data.toString()));
      await closed;
      expect(errors).toEqual([]);
      expect(parseAnswer(text)).toMatchObject({ status: 413, headers: { connection: "close" } });
    },
  );

  test("a caller that asks first sends nothing", async () => {
    const headers = { "Content-Type": "application/json", "Content-Length": "10000000", Expect: "100-continue" };
    const socket = createConnection({ port: edge.port, host: "127.0.0.1" });
    socket.write(rawRequest("POST", "/post", headers));
    const first = await new Promise<string>((resolve) => socket.once("data", (data) => resolve(data.toString())));
    expect(parseAnswer(first).status).toBe(413);
    socket.destroy();
  });

  test("a caller that asks first, with a body that fits, is told to go on", async () => {
    const headers = { "Content-Type": "application/json", "Content-Length": "2", Expect: "100-continue" };
    const answer = await sendRaw(edge.port, rawRequest("POST", "/post", headers, "{}"));
    expect(answer.text).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK/);
  });
});

test("a small refused body costs no connection", async () => {
  const first = "POST /missing HTTP/1.1\r\nHost: edge\r\nContent-Length: 3\r\n\r\nabc";
  const answer = await sendRaw(edge.port, first + rawRequest("GET", "/query"));
  expect(answer.text.match(/HTTP\/1.1 \d+/g)).toEqual(["HTTP/1.1 404", "HTTP/1.1 200"]);
});

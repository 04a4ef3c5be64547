// Every request takes the route that the templates promise, over a real server; raw bytes where fetch would tidy the path.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compileContracts, serviceOf } from "./fixture/contracts.ts";
import { detailOf, rawRequest, sendRaw, startTestEdge, type ErrorBody, type TestEdge } from "./fixture/edge.ts";

let edge: TestEdge;

beforeAll(async () => {
  const contracts = await compileContracts();
  edge = await startTestEdge(["EchoService", "RouteService"].map((name) => serviceOf(contracts, `edge.fixture.v1.${name}`)));
});
afterAll(() => edge.close(1_000));

async function send(method: string, target: string, headers: Record<string, string> = {}) {
  const answer = await sendRaw(edge.port, rawRequest(method, target, headers));
  const json: Echoed & ErrorBody = answer.body === "" ? undefined : JSON.parse(answer.body);
  return { ...answer, json };
}

/** What EverythingResponse has, of which an error has nothing. */
interface Echoed {
  route: string;
  request: Record<string, unknown>;
}

describe("precedence", () => {
  test.each([
    ["/r/a/b", "Literal", {}],
    ["/r/x/c", "StarThenLiteral", {}],
    ["/r/a/c", "LiteralThenVariable", { text: "c" }],
    ["/r/a/x", "LiteralThenVariable", { text: "x" }],
    ["/r/x/y", "TwoVariables", { text: "x", left: "y" }],
    ["/r/x", "Rest", { text: "x" }],
    ["/r", "Rest", { text: "" }],
    ["/r/", "Rest", { text: "" }],
    ["/r/x/y/z", "Rest", { text: "x/y/z" }],
    ["/r/a/b/c", "Rest", { text: "a/b/c" }],
    ["/r/x//z", "Rest", { text: "x//z" }],
    ["/s/shelves/1/books/2", "Shelves", { text: "shelves/1/books/2" }],
    ["/s/archive/a/b:dump", "Deep", { text: "archive/a/b" }],
    ["/s/archive:dump", "Deep", { text: "archive" }],
    ["/", "Root", {}],
    ["/nested/x", "Nested", { inner: { inner: { name: "x" } } }],
  ])("GET %s takes %s", async (target, route, fields) => {
    const { status, json } = await send("GET", target);
    expect(status).toBe(200);
    expect(json).toMatchObject({ route });
    expect(json.request).toMatchObject(fields);
  });
});

describe("verbs", () => {
  test.each([
    ["GET", "/t/x:show", "ThingVerb", "x"],
    ["GET", "/t/x:other", "Thing", "x:other"],
    ["GET", "/t/a:b:show", "ThingVerb", "a:b"],
    ["GET", "/t/x:do", "Thing", "x:do"],
    ["POST", "/t/x:do", "PostVerb", "x"],
    ["GET", "/t/x%3Ashow", "Thing", "x:show"],
    ["GET", "/t/x:", "Thing", "x:"],
    ["PURGE", "/t/x", "Purge", "x"],
    ["GET", "/t/:show", "Thing", ":show"],
    ["GET", "/t/x:show:show", "ThingVerb", "x:show"],
    ["GET", "/t/x:SHOW", "Thing", "x:SHOW"],
    ["GET", "/r/a/x:show", "LiteralThenVariable", "x:show"],
  ])("%s %s takes %s", async (method, target, route, text) => {
    const { json } = await send(method, target, method === "POST" ? { "Content-Length": "0" } : {});
    expect(json).toMatchObject({ route, request: { text } });
  });
});

describe("decoding happens once, after routing", () => {
  test.each([
    ["/t/a%20b", "a b"],
    ["/t/a+b", "a+b"],
    ["/t/a%2Fb", "a/b"],
    ["/t/a%252Fb", "a%2Fb"],
    ["/t/%E2%82%AC", "€"],
    ["/t/%C3%A4%2B", "ä+"],
    ["/t/..", ".."],
    ["/t/%2e%2E", ".."],
    ["/t/%F0%9F%98%80", "😀"],
    ["/t/a%3Fb%23c", "a?b#c"],
    ["/r/p/q%2Fr/s", "p/q%2Fr/s"],
    ["/r/p/q%2fr%20s/t", "p/q%2fr s/t"],
  ])("%s gives %s", async (target, text) => {
    const { status, json } = await send("GET", target);
    expect(status).toBe(200);
    expect(json).toMatchObject({ request: { text } });
  });

  test.each(["/t/%", "/t/%zz", "/t/%ff", "/t/a%2", "/t/%C0%AF", "/t/%ED%A0%80", "/r/a/b/%"])(
    "%s is refused and names the field",
    async (target) => {
      const { status, json } = await send("GET", target);
      expect(status).toBe(400);
      expect(detailOf(json, "BadRequest")).toMatchObject({ fieldViolations: [{ field: "text" }] });
    },
  );

  test("scalars in a path are read by their type", async () => {
    const { json } = await send("GET", "/n/-7/COLOR_BLUE/true");
    expect(json).toMatchObject({ request: { int32Value: -7, color: "COLOR_BLUE", flag: true } });
  });

  test("all path variables that do not fit are named", async () => {
    const { status, json } = await send("GET", "/n/seven/GREEN/1");
    expect(status).toBe(400);
    expect(JSON.stringify(json)).toMatch(/int32_value.*color.*flag/);
  });
});

describe("what has no route", () => {
  test.each(["/t", "/t/", "/missing", "/r2", "//", "/S/shelves/1/books/2", "/s/shelves/1/books", "/%74/x", "/t/x/"])(
    "%s is 404",
    async (target) => {
      const { status, json } = await send("GET", target);
      expect(status).toBe(404);
      expect(json).toMatchObject({ code: 5 });
      expect(detailOf(json, "ErrorInfo")).toMatchObject({ reason: "ROUTE_NOT_FOUND", domain: "ordermesh" });
    },
  );

  test.each([
    ["POST", "/query", "GET, HEAD, OPTIONS"],
    ["DELETE", "/t/x", "GET, HEAD, OPTIONS, PURGE"],
    ["PATCH", "/things/x", "DELETE, OPTIONS"],
    ["TRACE", "/query", "GET, HEAD, OPTIONS"],
    ["HEAD", "/things/x", "DELETE, OPTIONS"],
  ])("%s %s is 405 and says what goes", async (method, target, allow) => {
    const { status, headers } = await send(method, target);
    expect(status).toBe(405);
    expect(headers["allow"]).toBe(allow);
  });

  test("OPTIONS says what goes", async () => {
    expect(await send("OPTIONS", "/t/x")).toMatchObject({ status: 204, headers: { allow: "GET, HEAD, OPTIONS, PURGE" } });
  });

  test("X-HTTP-Method-Override does not exist", async () => {
    const { status } = await send("POST", "/query", { "X-HTTP-Method-Override": "GET", "Content-Length": "0" });
    expect(status).toBe(405);
  });
});

describe("methods", () => {
  test("HEAD has the headers of GET and no body", async () => {
    const get = await send("GET", "/t/x");
    const head = await send("HEAD", "/t/x");
    expect(head).toMatchObject({ status: 200, body: "" });
    expect(head.headers["content-length"]).toBe(get.headers["content-length"]);
    expect(head.headers["content-type"]).toBe("application/json");
  });

  test("a target with scheme and host is the same path", async () => {
    expect((await send("GET", "http://edge.example/t/x?flag=true")).json).toMatchObject({
      route: "Thing",
      request: { flag: true },
    });
  });
});

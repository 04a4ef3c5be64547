// What every answer says to browsers, and which pages may read it.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { certificateFolder } from "../../test/support/certificates.ts";
import { get as getSecure } from "node:https";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { parseAnswer, rawRequest, sendRaw, startTestEdge, type RawAnswer, type TestEdge } from "./transcode/fixture/edge.ts";

const shop = "https://shop.example";
let edge: TestEdge;
let open: TestEdge;
let closed: TestEdge;

beforeAll(async () => {
  const start = (origins?: string) =>
    startTestEdge([OrdersService], () => ({}), { env: origins === undefined ? {} : { ORDERMESH_CORS_ORIGINS: origins } });
  [edge, open, closed] = await Promise.all([start(`${shop}, http://localhost:5173`), start("*"), start()]);
});
afterAll(() => Promise.all([edge, open, closed].map((each) => each.close(0))));

const answers: [string, string][] = [
  ["an answer", rawRequest("GET", "/v1/orders")],
  ["a stream", rawRequest("GET", "/v1/orders/ord_1:watch")],
  ["a refusal", rawRequest("GET", "/v1/orders?nonsense=1")],
  ["an unknown path", rawRequest("GET", "/nothing")],
  ["a method that is not taken", rawRequest("DELETE", "/v1/orders")],
  ["OPTIONS", rawRequest("OPTIONS", "/v1/orders")],
  ["HEAD", rawRequest("HEAD", "/v1/orders")],
  ["health", rawRequest("GET", "/healthz")],
  ["readiness", rawRequest("GET", "/readyz")],
  ["a body of another kind", rawRequest("POST", "/v1/orders", { "Content-Type": "text/plain", "Content-Length": "2" }, "{}")],
  ["what is not HTTP", "hello\r\n\r\n"],
  ["no host", "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"],
  ["an expectation that is unknown", rawRequest("POST", "/v1/orders", { Expect: "miracles" })],
  ["headers that are too long", rawRequest("GET", "/v1/orders", { "X-Long": "x".repeat(20_000) })],
];

test.each(answers)("%s carries the headers of security, and none that tell what we run", async (_what, bytes) => {
  const { headers } = await sendRaw(edge.port, bytes);
  expect(headers).toMatchObject({
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
  });
  for (const name of ["server", "x-powered-by", "set-cookie", "strict-transport-security"])
    expect(headers).not.toHaveProperty(name);
});

test("under TLS browsers are told to come by TLS again", async () => {
  const folder = await certificateFolder();
  const { identity } = await folder.write("edge", await folder.issue({ dnsNames: ["localhost"] }));
  const secure = await startTestEdge([OrdersService], () => ({}), {
    env: {
      ORDERMESH_EDGE_TLS_CERT_FILE: identity?.certFile ?? "",
      ORDERMESH_EDGE_TLS_KEY_FILE: identity?.keyFile ?? "",
    },
  });
  for (const path of ["/healthz", "/v1/orders", "/nothing"]) {
    const request = getSecure({ host: "localhost", port: secure.port, path, ca: folder.authority.certificate, agent: false });
    const [response] = (await once(request, "response")) as [IncomingMessage];
    expect(response.resume().headers["strict-transport-security"]).toBe("max-age=31536000");
  }
  await secure.close(0);
  await folder.remove();
});

const from = (port: number, origin: string, headers: Record<string, string> = {}, method = "GET"): Promise<RawAnswer> =>
  sendRaw(port, rawRequest(method, "/v1/orders", { Origin: origin, ...headers }));
const preflight = (port: number, origin: string): Promise<RawAnswer> =>
  from(port, origin, { "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type" }, "OPTIONS");
const corsOf = ({ headers }: RawAnswer): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => /^access-control-(?!allow-methods)|^vary$/.test(name)));

describe("pages of another origin", () => {
  test("that is allowed may read the answer, and the headers that help", async () => {
    const answer = await from(edge.port, shop);
    expect(answer.status).toBe(200);
    expect(corsOf(answer)).toEqual({
      vary: "Origin",
      "access-control-allow-origin": shop,
      "access-control-expose-headers": expect.stringMatching(/\bratelimit\b.*\bretry-after\b.*\bx-request-id\b/) as string,
    });
  });

  test("may read errors too", async () => {
    const answer = await sendRaw(edge.port, rawRequest("GET", "/nothing", { Origin: shop }));
    expect(answer.status).toBe(404);
    expect(answer.headers["access-control-allow-origin"]).toBe(shop);
  });

  test("ask first: the answer has the methods of the path, and the headers that mean something", async () => {
    const answer = await preflight(edge.port, shop);
    expect(answer.status).toBe(204);
    expect(answer.headers).toMatchObject({
      "access-control-allow-origin": shop,
      "access-control-allow-methods": "GET, HEAD, OPTIONS, POST",
      "access-control-allow-headers": expect.stringMatching(/authorization, content-type, idempotency-key/) as string,
      "access-control-max-age": "7200",
      vary: "Origin",
    });
    expect(edge.heard.some(({ method }) => method === "PlaceOrder")).toBe(false);
  });

  test("are told nothing of a path that is not there", async () => {
    const bytes = rawRequest("OPTIONS", "/nothing", { Origin: shop, "Access-Control-Request-Method": "GET" });
    // A preflight counts only with a status of success.
    expect((await sendRaw(edge.port, bytes)).status).toBe(404);
  });

  test.each([
    "https://evil.example",
    "https://shop.example.evil.example",
    "http://shop.example",
    "https://shop.example:444",
    "null",
  ])("of %s may read nothing", async (origin) => {
    expect(corsOf(await from(edge.port, origin))).toEqual({ vary: "Origin" });
    expect(corsOf(await preflight(edge.port, origin))).toEqual({ vary: "Origin" });
  });

  test("of any origin may where all are allowed", async () => {
    const { headers } = await from(open.port, "https://anyone.example");
    expect(headers["access-control-allow-origin"]).toBe("*");
    expect(headers).not.toHaveProperty("vary");
  });

  test("are never told that credentials may come along", async () => {
    for (const { port } of [edge, open]) {
      for (const answer of [await from(port, shop), await preflight(port, shop)]) {
        expect(answer.headers).not.toHaveProperty("access-control-allow-credentials");
      }
    }
  });

  test("may read nothing where nothing is set", async () => {
    expect(corsOf(await from(closed.port, shop))).toEqual({});
    expect(corsOf(await preflight(closed.port, shop))).toEqual({});
  });

  test.each(["shop.example", "https://shop.example/", "https://shop.example/path", "ftp://shop.example", "https://*.example"])(
    "ORDERMESH_CORS_ORIGINS=%s does not start",
    async (origins) => {
      const starting = startTestEdge([OrdersService], () => ({}), { env: { ORDERMESH_CORS_ORIGINS: origins } });
      await expect(starting).rejects.toThrow(/^ORDERMESH_CORS_ORIGINS has ".*"; set it to origins such as/);
    },
  );
});

test("an answer is told apart from the one that follows on its connection", () => {
  expect(parseAnswer("HTTP/1.1 204 No Content\r\na: b\r\n\r\n")).toMatchObject({ status: 204, headers: { a: "b" } });
});

import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BadRequestSchema, ErrorInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { StartupError } from "#runtime/backing/startup-error.ts";
import { reasonOf } from "#runtime/errors.ts";
import { currentRequest } from "#runtime/request-context.ts";
import { bearer } from "../../../tools/bearer.ts";
import { catalogRoutes, recordingLog, serveTest, type TestServer } from "./testing.fixture.ts";

/** Whatever is shown is good. */
const interceptors = [bearer("any-token")];

const { log, lines } = recordingLog();
let server: TestServer;

beforeAll(async () => {
  const routes = catalogRoutes({
    getProduct: ({ productId }, { signal }) => {
      if (productId === "broken") throw new Error('relation "products" does not exist');
      if (productId === "quoting") throw ConnectError.from(new Error('relation "products" does not exist'));
      if (productId === "database_away")
        throw Object.assign(new Error("connect ECONNREFUSED 10.0.0.1:5432"), { code: "ECONNREFUSED" });
      if (productId === "conflict") throw Object.assign(new Error("could not serialize access"), { code: "40001" });
      if (productId === "slow") return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      if (productId === "deaf") return new Promise(() => {});
      return { product: { productId, title: currentRequest().requestId, description: currentRequest().tenant } };
    },
  });
  server = await serveTest({ routes, log });
});
afterAll(() => server.close(0));

const call = (body: string, headers: Record<string, string> = {}, method = "GetProduct") =>
  fetch(`${server.url}/ordermesh.catalog.v1.CatalogService/${method}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
const refusalOf = (call: Promise<unknown>): Promise<ConnectError> =>
  call.then(
    () => Promise.reject(new Error("the call was answered")),
    (error: unknown) => ConnectError.from(error),
  );

const transports: Record<string, () => Transport> = {
  "Connect JSON over HTTP/1.1": () =>
    createConnectTransport({ baseUrl: server.url, httpVersion: "1.1", useBinaryFormat: false, interceptors }),
  "Connect JSON over HTTP/2": () =>
    createConnectTransport({ baseUrl: server.url, httpVersion: "2", useBinaryFormat: false, interceptors }),
  "Connect binary over HTTP/1.1": () => createConnectTransport({ baseUrl: server.url, httpVersion: "1.1", interceptors }),
  "Connect binary over HTTP/2": () => createConnectTransport({ baseUrl: server.url, httpVersion: "2", interceptors }),
  "gRPC over HTTP/2": () => createGrpcTransport({ baseUrl: server.url, interceptors }),
  "gRPC-Web over HTTP/1.1": () => createGrpcWebTransport({ baseUrl: server.url, httpVersion: "1.1", interceptors }),
  "gRPC-Web over HTTP/2": () => createGrpcWebTransport({ baseUrl: server.url, httpVersion: "2", interceptors }),
};

describe.each(Object.entries(transports))("%s", (_name, transport) => {
  const client = () => createClient(CatalogService, transport());

  test("answers inside the context of the call and returns its request id", async () => {
    let echoed: string | null = null;
    const headers = { "x-request-id": "order-desk.7" };
    const { product } = await client().getProduct(
      { productId: "prod_1" },
      { headers, onHeader: (header) => (echoed = header.get("x-request-id")) },
    );
    expect(product).toMatchObject({ productId: "prod_1", title: "order-desk.7", description: "demo" });
    expect(echoed).toBe("order-desk.7");
  });

  test("an unknown error is hidden, and found again by its trace id", async () => {
    const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
    const headers = { traceparent: `00-${traceId}-00f067aa0ba902b7-01` };
    const error = await refusalOf(client().getProduct({ productId: "broken" }, { headers }));
    expect(error).toMatchObject({ code: Code.Internal, rawMessage: "internal error" });
    expect(error.findDetails(ErrorInfoSchema)[0]).toMatchObject({
      reason: "INTERNAL",
      domain: "ordermesh",
      metadata: { traceId },
    });
    const logged = lines.find((line) => line["msg"] === "rpc_failed" && line["traceId"] === traceId);
    expect(logged).toMatchObject({ err: { message: 'relation "products" does not exist' } });
  });

  test("a request that breaks its contract is refused with every violation", async () => {
    const variants = [{ variant: { sku: "not a sku" } }, { initialStock: -1n }];
    const error = await refusalOf(client().createProduct({ title: "", variants }));
    expect(error.code).toBe(Code.InvalidArgument);
    expect(reasonOf(error)).toBe("INVALID_ARGUMENT");
    const violations = error.findDetails(BadRequestSchema)[0]?.fieldViolations.map(({ field, reason }) => `${field} ${reason}`);
    expect(violations).toEqual(
      expect.arrayContaining([
        "title string.min_len",
        "variants[0].variant.sku string.pattern",
        "variants[0].variant.prices repeated.min_items",
        "variants[1].variant required",
        "variants[1].initial_stock int64.gte_lte",
      ]),
    );
    expect(error.rawMessage).toMatch(/^title: .*; and \d+ more$/);
  });

  test.each(["slow", "deaf"])("a handler that is %s is ended at the deadline", async (productId) => {
    const error = await refusalOf(client().getProduct({ productId }, { timeoutMs: 50 }));
    expect(error.code).toBe(Code.DeadlineExceeded);
  });
});

test.each([
  { productId: "quoting", code: Code.Internal, reason: "INTERNAL" },
  { productId: "database_away", code: Code.Unavailable, reason: "DEPENDENCY_UNAVAILABLE" },
  { productId: "conflict", code: Code.Aborted, reason: "CONFLICT" },
])("a handler that meets $productId answers $reason in our own words", async ({ productId, code, reason }) => {
  const client = createClient(CatalogService, createConnectTransport({ baseUrl: server.url, httpVersion: "2", interceptors }));
  const error = await refusalOf(client.getProduct({ productId }));
  expect(error.code).toBe(code);
  expect(reasonOf(error)).toBe(reason);
  expect(error.message).not.toMatch(/relation|5432|serialize/);
});

test("a method that is not implemented says so with a reason", async () => {
  const client = createClient(CatalogService, createConnectTransport({ baseUrl: server.url, httpVersion: "1.1", interceptors }));
  const error = await refusalOf(client.listProducts({}));
  expect(error.code).toBe(Code.Unimplemented);
  expect(reasonOf(error)).toBe("UNIMPLEMENTED");
});

test.each([
  { name: "broken JSON", body: "{", status: 400, code: "invalid_argument" },
  { name: "an unknown field", body: '{"productId":"prod_1","colour":"red"}', status: 400, code: "invalid_argument" },
  { name: "a field of the wrong type", body: '{"productId":7}', status: 400, code: "invalid_argument" },
  {
    name: "a body over 4 MiB",
    body: JSON.stringify({ productId: "x".repeat(4 * 1024 * 1024) }),
    status: 429,
    code: "resource_exhausted",
  },
])("$name is refused with $status, a request id and no stack", async ({ body, status, code }) => {
  const response = await call(body);
  const text = await response.text();
  expect(response.status).toBe(status);
  expect(JSON.parse(text)).toMatchObject({ code });
  expect(text).not.toMatch(/\n\s+at |\.[jt]s:\d|node_modules/);
  expect(response.headers.get("x-request-id")).toMatch(/^req_/);
});

test.each(["two words", "", "x".repeat(129), "a/b"])("a request id that is none is replaced: %j", async (given) => {
  const response = await call('{"productId":"prod_1"}', { "x-request-id": given });
  expect(response.headers.get("x-request-id")).toMatch(/^req_/);
});

test("a deadline that has passed already is refused before the handler", async () => {
  const response = await call('{"productId":"prod_1"}', { "connect-timeout-ms": "0" });
  expect(await response.json()).toMatchObject({
    code: "deadline_exceeded",
    details: [{ debug: { reason: "DEADLINE_EXCEEDED" } }],
  });
});

test("a call without side effects can be a GET", async () => {
  const query = new URLSearchParams({ encoding: "json", message: '{"productId":"prod_1"}' });
  const response = await fetch(`${server.url}/ordermesh.catalog.v1.CatalogService/GetProduct?${query.toString()}`);
  expect(await response.json()).toMatchObject({ product: { productId: "prod_1" } });
});

test("each call is one line with its method, code and ids", async () => {
  await call('{"productId":"prod_1"}', { "x-request-id": "logged-once" });
  const own = lines.filter((line) => line["requestId"] === "logged-once");
  const method = "ordermesh.catalog.v1.CatalogService/GetProduct";
  expect(own).toEqual([
    expect.objectContaining({ msg: "rpc", level: "info", method, code: "ok", peer: "127.0.0.1", tenant: "demo" }),
  ]);
});

test.each([
  "GET /x HTTP/1.0\r\n\r\n",
  "POST /ordermesh.catalog.v1.CatalogService/GetProduct HTTP/1.0\r\n\r\n",
  "POST /ordermesh.catalog.v1.CatalogService/GetProduct HTTP/1.1\r\nHost: [\r\n\r\n",
  "\x16\x03\x01\x02\x00",
])("bytes that are no call do not end the server: %j", async (bytes) => {
  const socket = connectTcp(server.port, "127.0.0.1").end(bytes);
  socket.resume();
  await once(socket, "close");
  expect((await call('{"productId":"prod_1"}')).status).toBe(200);
});

test("HTTP/2 is recognised also when its first bytes come one by one", async () => {
  const socket = connectTcp(server.port, "127.0.0.1").setNoDelay();
  const emptySettingsFrame = "\0\0\0\u0004\0\0\0\0\0";
  for (const byte of `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${emptySettingsFrame}`) {
    await new Promise((resolve) => socket.write(byte, resolve));
  }
  const [answer] = await once(socket, "data");
  const frameTypeOffset = 3;
  const settingsFrameType = 4;
  expect(answer[frameTypeOffset]).toBe(settingsFrameType);
  socket.destroy();
});

test("a port in use is refused with the setting that changes it", async () => {
  const again = serveTest({ routes: catalogRoutes({}), port: server.port });
  await expect(again).rejects.toThrow(StartupError);
  await expect(again).rejects.toThrow(`Port ${server.port} on 127.0.0.1 is in use`);
  await expect(again).rejects.toThrow("ORDERMESH_RPC_PORT");
});

// What travels with a call, what its answer looks like, and what becomes of its errors.
import { once } from "node:events";
import { createConnection } from "node:net";
import { create, type DescMethod, type FileRegistry, type Message } from "@bufbuild/protobuf";
import { Code, ConnectError, createRouterTransport, type HandlerContext } from "@connectrpc/connect";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { BadRequestSchema, DebugInfoSchema, RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { GetOrderResponseSchema, OrdersService, PlaceOrderResponseSchema } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { refuse, unavailable } from "#runtime/errors.ts";
import { compileContracts, serviceOf } from "./fixture/contracts.ts";
import { detailOf, echo, errorOf, rawRequest, startTestEdge, type TestEdge } from "./fixture/edge.ts";

let edge: TestEdge;
let contracts: FileRegistry;
let answer: (method: DescMethod, request: Message, context: HandlerContext) => unknown;

beforeAll(async () => {
  contracts = await compileContracts();
  edge = await startTestEdge(
    [serviceOf(contracts, "edge.fixture.v1.EchoService"), OrdersService, CatalogService],
    (method, request, context) => answer(method, request, context),
  );
});
beforeEach(() => {
  answer = echo;
  edge.heard.length = 0;
  edge.logs.length = 0;
});
afterAll(() => edge.close(1_000));

const post = (target: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(edge.url + target, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json", ...headers },
  });

describe("answers", () => {
  test("print empty lists, zeros and empty text, and leave out what has presence and is unset", async () => {
    answer = () =>
      create(GetOrderResponseSchema, { order: { orderId: "ord_1", total: { currencyCode: "EUR", minorUnits: 0n } } });
    const json: unknown = await (await fetch(`${edge.url}/v1/orders/ord_1`)).json();
    expect(json).toMatchObject({
      orderId: "ord_1",
      items: [],
      trackingNumber: "",
      state: "ORDER_STATE_UNSPECIFIED",
      total: { currencyCode: "EUR", minorUnits: "0" },
    });
    expect(json).not.toHaveProperty("expireTime");
  });

  test.each([
    ["/list", "[]"],
    ["/wrapped", "null"],
    ["/request?text=x", /^\{"text":"x"/],
  ])("response_body of %s is the field alone", async (target, want) => {
    expect(await (await fetch(edge.url + target)).text()).toMatch(
      want instanceof RegExp ? want : new RegExp(`^${want.replace("[]", "\\[\\]")}$`),
    );
  });

  test.each(["/v1/orders", "/checkout", "/create-order"])("POST %s is accepted with 202 and the bare order", async (target) => {
    answer = () => create(PlaceOrderResponseSchema, { order: { orderId: "ord_1" } });
    const response = await post(target, { customerId: "c1" });
    expect(response.status).toBe(202);
    expect(await response.json()).toMatchObject({ orderId: "ord_1" });
    expect(edge.heard[0]?.request).toEqual({ customerId: "c1" });
  });

  test("the order of a path's customer is that customer's", async () => {
    await post("/api/tasks/order/c1", { customerId: "c2", currency: "EUR" });
    expect(edge.heard[0]?.request).toEqual({ customerId: "c1", currency: "EUR" });
  });

  test("a creation is 201", async () => {
    expect((await post("/v1/products", { title: "x" })).status).toBe(201);
  });

  test("a success of 204 has no body", async () => {
    answer = () => ({});
    const response = await fetch(`${edge.url}/things/x`, { method: "DELETE" });
    expect([response.status, await response.text(), response.headers.get("content-length")]).toEqual([204, "", null]);
  });

  test("a verb without a body takes none", async () => {
    await fetch(`${edge.url}/v1/orders/ord_1:cancel`, { method: "POST" });
    expect(edge.heard[0]).toMatchObject({ method: "CancelOrder", request: { orderId: "ord_1" } });
  });
});

describe("headers", () => {
  test("the caller's address travels, and not the one that it makes up", async () => {
    answer = () => create(GetOrderResponseSchema, {});
    await fetch(`${edge.url}/v1/orders/ord_1`, { headers: { "x-forwarded-for": "198.51.100.9" } });
    expect(edge.heard[0]?.headers.get("x-forwarded-for")).toBe("127.0.0.1");
  });

  test("trace, token, language and id travel; nothing else does", async () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await fetch(`${edge.url}/query`, {
      headers: {
        traceparent,
        authorization: "Bearer t",
        "accept-language": "de",
        "x-request-id": "req-1",
        cookie: "a=b",
        "x-other": "1",
      },
    });
    const headers = edge.heard[0]?.headers;
    const seen = ["traceparent", "authorization", "accept-language", "x-request-id", "cookie", "x-other"].map((name) =>
      headers?.get(name),
    );
    expect(seen).toEqual([traceparent, "Bearer t", "de", "req-1", null, null]);
  });

  test("X-Request-Id comes back, also with an error", async () => {
    for (const target of ["/query", "/query?nope=1", "/missing"]) {
      const response = await fetch(edge.url + target, { headers: { "x-request-id": "req-1" } });
      expect(response.headers.get("x-request-id")).toBe("req-1");
    }
  });

  test.each([undefined, "", "a b", "x".repeat(200), "<script>"])("X-Request-Id %s is replaced by a new one", async (given) => {
    const response = await fetch(`${edge.url}/query`, given === undefined ? {} : { headers: { "x-request-id": given } });
    const id = response.headers.get("x-request-id");
    expect(id).toMatch(/^req_[0-9a-z]{26}$/);
    expect(edge.heard[0]?.headers.get("x-request-id")).toBe(id);
  });

  test.each([
    ["2.5", 2_500],
    ["1", 1_000],
    ["999999", 300_000],
    [undefined, 10_000],
  ])("X-Server-Timeout %s is a deadline of %s ms", async (seconds, timeoutMs) => {
    await fetch(`${edge.url}/query`, seconds === undefined ? {} : { headers: { "x-server-timeout": seconds } });
    expect(edge.heard[0]?.timeoutMs).toBeGreaterThan(timeoutMs - 500);
    expect(edge.heard[0]?.timeoutMs).toBeLessThanOrEqual(timeoutMs);
  });

  test.each(["0", "-1", "soon", "1e3", "5s"])("X-Server-Timeout %s is refused", async (seconds) => {
    const response = await fetch(`${edge.url}/query`, { headers: { "x-server-timeout": seconds } });
    expect(response.status).toBe(400);
    expect((await errorOf(response)).message).toContain("X-Server-Timeout");
  });

  test.each([
    ["key-1", {}, "key-1"],
    ['"key-1"', {}, "key-1"],
    ["key-1", { requestId: "own" }, "own"],
    ["key-1", { requestId: "" }, "key-1"],
  ])("Idempotency-Key %s with the body %o gives %s", async (key, body, requestId) => {
    await post("/v1/orders", body, { "idempotency-key": key });
    expect(edge.heard[0]?.request).toEqual({ requestId });
  });

  test("Idempotency-Key of a method without request_id is nobody's", async () => {
    expect((await post("/v1/prices:batchGet", {}, { "idempotency-key": "k" })).status).toBe(200);
  });
});

describe("deadline and disconnect", () => {
  test("a call that does not answer in time is 504", async () => {
    answer = (_method, _request, context) => once(context.signal, "abort");
    const response = await fetch(`${edge.url}/query`, { headers: { "x-server-timeout": "0.05" } });
    expect(response.status).toBe(504);
    expect(await errorOf(response)).toMatchObject({ code: 4, message: "the deadline passed before there was an answer" });
  });

  test("a caller that goes away ends its call", async () => {
    answer = (_method, _request, context) => once(context.signal, "abort");
    const socket = createConnection({ port: edge.port, host: "127.0.0.1" });
    socket.write(rawRequest("GET", "/query"));
    await vi.waitFor(() => expect(edge.heard).toHaveLength(1));
    socket.destroy();
    await vi.waitFor(() => expect(edge.heard[0]?.signal.aborted).toBe(true));
    expect(edge.logs).toEqual([]);
  });
});

describe("errors by google/rpc/code.proto", () => {
  test.each([
    [Code.Canceled, 499],
    [Code.InvalidArgument, 400],
    [Code.DeadlineExceeded, 504],
    [Code.NotFound, 404],
    [Code.AlreadyExists, 409],
    [Code.PermissionDenied, 403],
    [Code.ResourceExhausted, 429],
    [Code.FailedPrecondition, 400],
    [Code.Aborted, 409],
    [Code.OutOfRange, 400],
    [Code.Unimplemented, 501],
    [Code.Unavailable, 503],
    [Code.Unauthenticated, 401],
  ])("code %s is %s", async (code, status) => {
    answer = () => {
      throw refuse(code, "SOME_REASON", "a sentence", { sku: "S1" });
    };
    const response = await fetch(`${edge.url}/query`);
    const body = await errorOf(response);
    expect([response.status, body.code, body.message]).toEqual([status, code, "a sentence"]);
    expect(detailOf(body, "ErrorInfo")).toEqual({
      "@type": "type.googleapis.com/google.rpc.ErrorInfo",
      reason: "SOME_REASON",
      domain: "ordermesh",
      metadata: { sku: "S1" },
    });
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.has("retry-after")).toBe(status === 429 || status === 503);
    expect(response.headers.has("www-authenticate")).toBe(status === 401);
  });

  test("an error without an ErrorInfo gets one", async () => {
    answer = () => {
      throw new ConnectError("no such order", Code.NotFound);
    };
    const body = await errorOf(await fetch(`${edge.url}/query`));
    expect(body.message).toBe("no such order");
    expect(detailOf(body, "ErrorInfo")).toMatchObject({ reason: "NOT_FOUND", domain: "ordermesh" });
  });

  test("violations that the service found are all there", async () => {
    const fieldViolations = [
      { field: "items[0].quantity", description: "must be above zero" },
      { field: "currency", description: "must be in the list" },
    ];
    answer = () => {
      throw refuse(Code.InvalidArgument, "INVALID_ARGUMENT", "wrong", {}, [
        { desc: BadRequestSchema, value: { fieldViolations } },
      ]);
    };
    expect(detailOf(await errorOf(await fetch(`${edge.url}/query`)), "BadRequest")).toMatchObject({ fieldViolations });
  });

  test.each([
    [{ seconds: 7n, nanos: 1 }, "8", "7.000000001s"],
    [{ seconds: 30n }, "30", "30s"],
    [undefined, "1", "1s"],
  ])("RetryInfo %o is Retry-After %s", async (retryDelay, header, text) => {
    answer = () => {
      const details = retryDelay ? [{ desc: RetryInfoSchema, value: { retryDelay } }] : [];
      throw refuse(Code.ResourceExhausted, "TOO_MANY", "slower", {}, details);
    };
    const response = await fetch(`${edge.url}/query`);
    expect(response.headers.get("retry-after")).toBe(header);
    expect(detailOf(await errorOf(response), "RetryInfo")).toMatchObject({ retryDelay: text });
  });

  test("the runtime's unavailable() says when to come back", async () => {
    answer = () => {
      throw unavailable("the database");
    };
    const response = await fetch(`${edge.url}/query`);
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
  });
});

describe("nothing of ours leaks", () => {
  test.each([
    ["a plain error", new Error("password=hunter2 at 10.0.0.1")],
    ["an error that Connect wrapped", ConnectError.from(new Error("password=hunter2"))],
    ["an internal error with words", new ConnectError("password=hunter2", Code.Internal)],
    ["data loss", new ConnectError("password=hunter2", Code.DataLoss)],
  ])("%s is an internal error", async (_name, error) => {
    answer = () => {
      throw error;
    };
    const response = await fetch(`${edge.url}/query`);
    const body = await errorOf(response);
    expect(response.status).toBe(500);
    expect(body).toMatchObject({ code: 13, message: "internal error" });
    expect(detailOf(body, "ErrorInfo")).toMatchObject({ reason: "INTERNAL", domain: "ordermesh" });
    expect(JSON.stringify(body)).not.toContain("hunter2");
    expect(edge.logs.join("")).toContain("edge_call_failed");
  });

  test("the trace id of a logged internal error goes out, its other details do not", async () => {
    answer = () => {
      const details = [{ desc: DebugInfoSchema, value: { detail: "hunter2" } }];
      throw refuse(Code.Internal, "INTERNAL", "hunter2", { traceId: "t1" }, details);
    };
    const body = await errorOf(await fetch(`${edge.url}/query`));
    expect(body.details).toHaveLength(1);
    expect(detailOf(body, "ErrorInfo")).toMatchObject({ metadata: { traceId: "t1" } });
    expect(JSON.stringify(body)).not.toContain("hunter2");
  });

  test("a DebugInfo stays inside", async () => {
    answer = () => {
      throw refuse(Code.NotFound, "GONE", "gone", {}, [{ desc: DebugInfoSchema, value: { detail: "hunter2" } }]);
    };
    expect(await (await fetch(`${edge.url}/query`)).text()).not.toContain("hunter2");
  });

  test("a transport that cannot connect does not tell where to", async () => {
    const broken = await startTestEdge([OrdersService], echo, {
      transportFor: () => {
        const transport = createRouterTransport(() => {});
        return {
          ...transport,
          unary: () => Promise.reject(new ConnectError("connect ECONNREFUSED 10.0.0.3:8080", Code.Unavailable)),
        };
      },
    });
    const response = await fetch(`${broken.url}/v1/orders`);
    expect(response.status).toBe(503);
    expect(await errorOf(response)).toMatchObject({ code: 14, message: "the service is unavailable, try again" });
    await broken.close(1_000);
  });

  test("an answer that cannot be printed is an internal error", async () => {
    const everything = contracts.getMessage("edge.fixture.v1.Everything")!;
    answer = (method) =>
      create(method.output, { request: create(everything, { any: { typeUrl: "x/not.Known", value: new Uint8Array(1) } }) });
    const response = await fetch(`${edge.url}/query`);
    expect([response.status, (await errorOf(response)).message]).toEqual([500, "internal error"]);
  });
});

describe("bounds", () => {
  test("more calls at once than allowed are told to come back", async () => {
    const release = Promise.withResolvers<void>();
    const small = await startTestEdge([OrdersService], () => release.promise.then(() => ({})), { limits: { callsMax: 2 } });
    const running = [1, 2].map(() => fetch(`${small.url}/v1/orders`));
    await vi.waitFor(() => expect(small.heard).toHaveLength(2));
    const refused = await fetch(`${small.url}/v1/orders`);
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    release.resolve();
    expect((await Promise.all(running)).map((response) => response.status)).toEqual([200, 200]);
    expect((await fetch(`${small.url}/v1/orders`)).status).toBe(200);
    await small.close(1_000);
  });
});

// The server's bounds on connections, its health, and how it starts and ends.
import { once } from "node:events";
import { createConnection, createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { StartupError } from "#runtime/backing/startup-error.ts";
import {
  detailOf,
  parseAnswer,
  rawRequest,
  sendRaw,
  startTestEdge,
  type ErrorBody,
  type TestEdge,
} from "./transcode/fixture/edge.ts";

let edge: TestEdge;
let ready = { ready: true, checks: { database: "ok" } };

beforeAll(async () => {
  edge = await startTestEdge([OrdersService], () => ({}), {
    httpLimits: { headersMs: 150, requestMs: 300, checkMs: 20, readinessMs: 100, headersMax: 50 },
    readiness: () => Promise.resolve(ready),
  });
});
afterAll(() => edge.close(1_000));

describe("health", () => {
  test("/healthz says that the process lives", async () => {
    const response = await fetch(`${edge.url}/healthz`);
    expect([response.status, await response.json()]).toEqual([200, { status: "ok" }]);
  });

  test("/readyz says what is ready", async () => {
    expect(await (await fetch(`${edge.url}/readyz`)).json()).toEqual({ ready: true, checks: { database: "ok" } });
    ready = { ready: false, checks: { database: "unreachable" } };
    const response = await fetch(`${edge.url}/readyz`);
    expect([response.status, await response.json()]).toEqual([503, { ready: false, checks: { database: "unreachable" } }]);
    ready = { ready: true, checks: { database: "ok" } };
  });

  test.each([
    ["hangs", () => new Promise<never>(() => {}), "no answer in time"],
    ["throws", () => Promise.reject(new Error("hunter2")), "failed"],
  ])("a check that %s is not ready", async (_how, readiness, said) => {
    const other = await startTestEdge([OrdersService], () => ({}), { readiness, httpLimits: { readinessMs: 50 } });
    const response = await fetch(`${other.url}/readyz`);
    expect([response.status, await response.json()]).toEqual([503, { ready: false, checks: { readiness: said } }]);
    await other.close(1_000);
  });
});

describe("bounds on connections", () => {
  const bodyOf = (answer: { body: string }): ErrorBody => {
    const body: ErrorBody = JSON.parse(answer.body);
    return body;
  };

  test.each([
    ["what is not HTTP", "hello\r\n\r\n", 400],
    ["a header without a colon", "GET / HTTP/1.1\r\nHost: edge\r\nnonsense\r\n\r\n", 400],
    [
      "two ways to say how long the body is",
      "POST /v1/orders HTTP/1.1\r\nHost: e\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
      400,
    ],
    ["headers that are too long", rawRequest("GET", "/v1/orders", { "X-Long": "x".repeat(20_000) }), 431],
    ["an address that is too long", rawRequest("GET", `/v1/orders?page_token=${"x".repeat(20_000)}`), 431],
  ])("%s is %#", async (_what, bytes, status) => {
    const answer = await sendRaw(edge.port, bytes);
    expect(answer.status).toBe(status);
    expect(detailOf(bodyOf(answer), "ErrorInfo")).toMatchObject({ reason: "MALFORMED_REQUEST", domain: "ordermesh" });
  });

  test.each([
    ["headers that come drop by drop", "GET /v1/orders HTTP/1.1\r\nHost: edge\r\n"],
    [
      "a body that does not come",
      rawRequest("POST", "/v1/orders", { "Content-Type": "application/json", "Content-Length": "10" }, "{"),
    ],
  ])("%s end in 408", async (_what, bytes) => {
    const answer = await sendRaw(edge.port, bytes);
    expect(answer.status).toBe(408);
    expect(bodyOf(answer).message).toBe("the request did not arrive in time");
  });

  test("a caller that hangs up in its body leaves no trace but room", async () => {
    const socket = createConnection({ port: edge.port, host: "127.0.0.1" });
    socket.write(rawRequest("POST", "/v1/orders", { "Content-Type": "application/json", "Content-Length": "10" }, "{"));
    await pause(20);
    socket.destroy();
    expect((await fetch(`${edge.url}/v1/orders`)).status).toBe(200);
    expect(edge.logs).toEqual([]);
  });

  test("a connection serves many requests", async () => {
    const request = "GET /v1/orders HTTP/1.1\r\nHost: edge\r\n\r\n";
    const answer = await sendRaw(edge.port, request + request + rawRequest("GET", "/healthz"));
    expect(answer.text.match(/HTTP\/1.1 200/g)).toHaveLength(3);
  });
});

describe("start and end", () => {
  test("a port in use is one sentence that names the variable", async () => {
    const holder = createServer().listen(0, "127.0.0.1");
    await once(holder, "listening");
    const address = holder.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const starting = startTestEdge([OrdersService], () => ({}), { port });
    await expect(starting).rejects.toThrow(StartupError);
    await expect(starting).rejects.toThrow(/^The REST edge cannot listen on 127\.0\.0\.1:\d+ .*ORDERMESH_EDGE_PORT.*\.$/);
    holder.close();
  });

  test("a closing edge answers what it has taken, then takes no more", async () => {
    const release = Promise.withResolvers<void>();
    const closing = await startTestEdge([OrdersService], () => release.promise.then(() => ({})));
    const running = fetch(`${closing.url}/v1/orders`);
    await vi.waitFor(() => expect(closing.heard).toHaveLength(1));
    const closed = closing.close(5_000);
    await expect(fetch(`${closing.url}/v1/orders`)).rejects.toThrow("fetch failed");
    release.resolve();
    expect((await running).status).toBe(200);
    await closed;
  });

  test("a closing edge is not ready on the connections that it still has", async () => {
    const closing = await startTestEdge([OrdersService], () => ({}));
    const socket = createConnection({ port: closing.port, host: "127.0.0.1" });
    let text = "";
    socket.on("data", (data) => (text += data.toString()));
    // Half a request keeps the connection from being idle.
    socket.write("GET /readyz HTTP/1.1\r\nHost: edge\r\n");
    await pause(30);
    const closed = closing.close(5_000);
    socket.write("\r\n");
    await Promise.all([closed, once(socket, "close")]);
    expect(parseAnswer(text)).toMatchObject({ status: 503, headers: { connection: "close" } });
  });

  test("what does not end within the grace is cut", async () => {
    const stuck = await startTestEdge([OrdersService], () => new Promise<never>(() => {}));
    const running = fetch(`${stuck.url}/v1/orders`).then(
      () => "answered",
      () => "cut",
    );
    await vi.waitFor(() => expect(stuck.heard).toHaveLength(1));
    await stuck.close(50);
    expect(await running).toBe("cut");
  });
});

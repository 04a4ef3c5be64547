import { connect as connectHttp2 } from "node:http2";
import { once } from "node:events";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterEach, describe, expect, test, vi } from "vitest";
import { RetryInfoSchema } from "#gen/google/rpc/error_details_pb.ts";
import { Health, HealthCheckResponse_ServingStatus as Status } from "#gen/grpc/health/v1/health_pb.ts";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { bearer } from "../../../tools/bearer.ts";
import { serveTest, testAdmission } from "./testing.fixture.ts";

/** Whatever is shown is good. */
const interceptors = [bearer("any-token")];

const ended: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ended.splice(0).toReversed()) await end();
});

const callsMax = 3;

/** A server that lets in three calls, each of which waits until it is released. */
async function serveFull() {
  const release = Promise.withResolvers<void>();
  const admission = testAdmission(callsMax, { waitingMax: 2 });
  const server = await serveTest({
    admission,
    routes: (router) => {
      router.service(Health, { check: () => ({ status: Status.SERVING }) });
      router.service(CatalogService, {
        getProduct: async ({ productId }) => {
          await release.promise;
          return { product: { productId } };
        },
      });
      router.service(OrdersService, {
        async *watchOrder(_request, { signal }) {
          yield {};
          await once(signal, "abort");
        },
      });
    },
  });
  ended.push(
    () => server.close(0),
    () => admission.close(),
  );
  return { server, admission, release: release.resolve };
}

const refusalOf = (call: Promise<unknown>): Promise<ConnectError> =>
  call.then(
    () => Promise.reject(new Error("the call was answered")),
    (error: unknown) => ConnectError.from(error),
  );

const transports: Record<string, (baseUrl: string) => Transport> = {
  "Connect JSON over HTTP/1.1": (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false, interceptors }),
  "Connect binary over HTTP/2": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", interceptors }),
  "Connect GET": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", useHttpGet: true, interceptors }),
  "gRPC over HTTP/2": (baseUrl) => createGrpcTransport({ baseUrl, interceptors }),
  "gRPC-Web over HTTP/1.1": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1", interceptors }),
  "gRPC-Web over HTTP/2": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2", interceptors }),
};

describe.each(Object.entries(transports))("%s", (_name, transport) => {
  test("one call too many is refused in the protocol's own words; the others are answered", async () => {
    const { server, admission, release } = await serveFull();
    const client = createClient(CatalogService, transport(server.url));
    const calls = Array.from({ length: callsMax }, () => client.getProduct({ productId: "prod_1" }));
    await vi.waitFor(() => expect(admission.state().inHand).toBe(callsMax));
    let header = new Headers();
    const onHeader = (given: Headers) => (header = given);
    const error = await refusalOf(
      client.getProduct({ productId: "prod_1" }, { headers: { "x-request-id": "one-too-many" }, onHeader }),
    );
    expect(error.code).toBe(Code.ResourceExhausted);
    expect(reasonOf(error)).toBe("OVERLOADED");
    const [retry] = error.findDetails(RetryInfoSchema);
    const retryMs = Number(retry?.retryDelay?.seconds) * 1_000 + Number(retry?.retryDelay?.nanos) / 1e6;
    expect(retryMs).toBeGreaterThanOrEqual(500);
    expect(retryMs).toBeLessThanOrEqual(1_500);
    const told = header.has("retry-after") ? header : error.metadata;
    expect(Number(told.get("retry-after"))).toBe(Math.ceil(retryMs / 1_000));
    expect(told.get("x-request-id")).toBe("one-too-many");
    release();
    for (const { product } of await Promise.all(calls)) expect(product).toMatchObject({ productId: "prod_1" });
    await vi.waitFor(() => expect(admission.state().inHand).toBe(0));
    await client.getProduct({ productId: "prod_1" });
  });

  test("a stream is refused where calls are, and else where too many are open; an open one takes no call's place", async () => {
    const { server, admission, release } = await serveFull();
    const orders = createClient(OrdersService, transport(server.url));
    const going = new AbortController();
    const watch = (signal?: AbortSignal) => Array.fromAsync(orders.watchOrder({ orderId: "ord_1" }, signal ? { signal } : {}));
    const open = Promise.allSettled([watch(going.signal), watch(going.signal)]);
    await vi.waitFor(() => expect(admission.state()).toMatchObject({ inHand: 0, waiting: 2 }));
    expect(reasonOf(await refusalOf(watch()))).toBe("OVERLOADED");
    going.abort();
    await open;
    await vi.waitFor(() => expect(admission.state().waiting).toBe(0));
    const client = createClient(CatalogService, transport(server.url));
    const calls = Array.from({ length: callsMax }, () => client.getProduct({ productId: "prod_1" }));
    await vi.waitFor(() => expect(admission.state().inHand).toBe(callsMax));
    expect(await refusalOf(watch())).toMatchObject({ code: Code.ResourceExhausted });
    release();
    await Promise.all(calls);
  });

  test("health answers also then", async () => {
    const { server, admission, release } = await serveFull();
    const client = createClient(CatalogService, transport(server.url));
    const calls = Array.from({ length: callsMax }, () => client.getProduct({ productId: "prod_1" }));
    await vi.waitFor(() => expect(admission.state().inHand).toBe(callsMax));
    const health = createClient(Health, transport(server.url));
    expect(await health.check({})).toMatchObject({ status: Status.SERVING });
    release();
    await Promise.all(calls);
  });
});

test("a caller that goes away leaves its place", async () => {
  const { server, admission } = await serveFull();
  const going = new AbortController();
  const client = createClient(CatalogService, createConnectTransport({ baseUrl: server.url, httpVersion: "2", interceptors }));
  const calls = Array.from({ length: callsMax }, () =>
    refusalOf(client.getProduct({ productId: "prod_1" }, { signal: going.signal })),
  );
  await vi.waitFor(() => expect(admission.state().inHand).toBe(callsMax));
  going.abort();
  await Promise.all(calls);
  await vi.waitFor(() => expect(admission.state().inHand).toBe(0));
});

test("a refused call is not read, and its connection stays good: many bodies over one connection do not fill its window", async () => {
  const { server, admission, release } = await serveFull();
  const client = createClient(CatalogService, createConnectTransport({ baseUrl: server.url, httpVersion: "2", interceptors }));
  const calls = Array.from({ length: callsMax }, () => client.getProduct({ productId: "prod_1" }));
  await vi.waitFor(() => expect(admission.state().inHand).toBe(callsMax));
  const session = connectHttp2(server.url);
  const refused = async () => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/ordermesh.catalog.v1.CatalogService/GetProduct",
      "content-type": "application/json",
    });
    stream.on("error", () => {});
    stream.end("x".repeat(50_000));
    const [headers] = await once(stream, "response");
    stream.resume();
    return headers[":status"];
  };
  for (let call = 0; call < 100; call += 1) expect(await refused()).toBe(429);
  session.destroy();
  release();
  await Promise.all(calls);
});

test("callers that send slowly do not keep the others out", async () => {
  const { server, admission, release } = await serveFull();
  release();
  const session = connectHttp2(server.url);
  const headers = {
    ":method": "POST",
    ":path": "/ordermesh.catalog.v1.CatalogService/GetProduct",
    "content-type": "application/json",
  };
  const slow = Array.from({ length: 2 }, () => session.request(headers));
  for (const stream of slow) stream.write("{");
  await vi.waitFor(() => expect(admission.state()).toMatchObject({ inHand: 0, waiting: 2 }), { timeout: 5_000 });
  for (const stream of slow) stream.end('"productId":"prod_1"}');
  const [answer] = await once(slow[0]!, "response");
  expect(answer[":status"]).toBe(200);
  session.destroy();
  await vi.waitFor(() => expect(admission.state().waiting).toBe(0));
});

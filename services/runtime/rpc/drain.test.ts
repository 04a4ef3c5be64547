import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "#gen/grpc/health/v1/health_pb.ts";
import { CatalogService } from "#gen/ordermesh/catalog/v1/catalog_service_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { catalogRoutes, serveTest } from "./testing.fixture.ts";

const graceMs = 5_000;

/** A server whose GetProduct begins, says so, and waits until it is released. */
async function serveHeld() {
  const release = Promise.withResolvers<void>();
  let begun = 0;
  const firstBegun = Promise.withResolvers<void>();
  const routes = catalogRoutes({
    listProducts: () => ({}),
    getProduct: async ({ productId }) => {
      begun += 1;
      firstBegun.resolve();
      await release.promise;
      return { product: { productId } };
    },
  });
  const server = await serveTest({ routes });
  return { server, release: release.resolve, firstBegun: firstBegun.promise, begun: () => begun };
}

test.each(["1.1", "2"] as const)("a call under way over HTTP/%s is answered, then the server is gone", async (httpVersion) => {
  const { server, release, firstBegun } = await serveHeld();
  const client = createClient(CatalogService, createConnectTransport({ baseUrl: server.url, httpVersion }));
  const answer = client.getProduct({ productId: "prod_1" });
  await firstBegun;
  const startedAt = Date.now();
  const closed = server.close(graceMs);
  release();
  expect(await answer).toMatchObject({ product: { productId: "prod_1" } });
  await closed;
  expect(Date.now() - startedAt).toBeLessThan(graceMs / 2);
  await expect(client.getProduct({ productId: "prod_1" })).rejects.toMatchObject({ code: Code.Unavailable });
});

test("an idle keep-alive connection does not hold the server", async () => {
  const { server, release } = await serveHeld();
  release();
  const agent = new Agent({ keepAlive: true });
  const request = httpRequest(`${server.url}/nothing`, { agent }).end();
  const [response]: IncomingMessage[] = await once(request, "response");
  await text(response!);
  const startedAt = Date.now();
  await server.close(graceMs);
  expect(Date.now() - startedAt).toBeLessThan(graceMs / 2);
  agent.destroy();
});

test("a client that keeps its end of an HTTP/2 connection open does not hold the server", async () => {
  const { server, release } = await serveHeld();
  release();
  const socket = connect({ port: server.port, host: "127.0.0.1", allowHalfOpen: true });
  const emptySettings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
  socket.write(Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), emptySettings]));
  await once(socket, "data");
  socket.on("error", () => {});
  const startedAt = Date.now();
  await server.close(200);
  expect(Date.now() - startedAt).toBeLessThan(graceMs);
  socket.destroy();
});

test("of many calls at once, each that had begun is answered", async () => {
  const { server, release, firstBegun, begun } = await serveHeld();
  const client = createClient(CatalogService, createConnectTransport({ baseUrl: server.url, httpVersion: "2" }));
  // Until it has heard the server's settings, a client sends no more than 100 calls at once.
  await client.listProducts({});
  const calls = Array.from({ length: 300 }, () => client.getProduct({ productId: "prod_1" }));
  const settled = Promise.allSettled(calls);
  await firstBegun;
  const closed = server.close(graceMs);
  release();
  const answered = (await settled).filter(({ status }) => status === "fulfilled").length;
  await closed;
  expect({ answered, begun: begun() }).toEqual({ answered: calls.length, begun: calls.length });
});

test("a stream that outlives the grace is ended and told why", async () => {
  const routes = catalogRoutes({});
  const server = await serveTest({
    routes: (router) => {
      routes(router);
      router.service(Health, {
        async *watch(_request, { signal }) {
          yield { status: Status.SERVING };
          await once(signal, "abort");
        },
      });
    },
  });
  const client = createClient(Health, createConnectTransport({ baseUrl: server.url, httpVersion: "2" }));
  let closed: Promise<void> | undefined;
  const watch = async () => {
    for await (const { status } of client.watch({})) {
      expect(status).toBe(Status.SERVING);
      closed = server.close(50);
    }
  };
  const error = await watch().then(
    () => undefined,
    (error: unknown) => ConnectError.from(error),
  );
  expect(error?.code).toBe(Code.Unavailable);
  expect(reasonOf(error)).toBe("SHUTTING_DOWN");
  await closed;
});

test("a handler that never ends does not hold the server beyond the grace", async () => {
  const { server, firstBegun } = await serveHeld();
  const client = createClient(CatalogService, createConnectTransport({ baseUrl: server.url, httpVersion: "2" }));
  const call = client.getProduct({ productId: "prod_1" }).then(
    () => undefined,
    (error: unknown) => ConnectError.from(error),
  );
  await firstBegun;
  await server.close(20);
  expect((await call)?.code).toBe(Code.Unavailable);
});

test("closing twice is closing once", async () => {
  const { server } = await serveHeld();
  expect(server.close(graceMs)).toBe(server.close(graceMs));
  await server.close(graceMs);
});

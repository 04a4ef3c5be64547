import { once } from "node:events";
import { setImmediate } from "node:timers/promises";
import { Code, ConnectError, createClient, createRouterTransport, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { BadRequestSchema } from "#gen/google/rpc/error_details_pb.ts";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { reasonOf } from "#runtime/errors.ts";
import { requestContext } from "#runtime/request-context.ts";
import { bearer } from "../../../tools/bearer.ts";
import { recordingLog, serveTest, testOptions, type TestServer } from "./testing.fixture.ts";
import type { ConnectRouter } from "@connectrpc/connect";

/** Whatever is shown is good. */
const interceptors = [bearer("any-token")];

const { log, lines } = recordingLog();
let server: TestServer;
const ended: string[] = [];

/** Tells the request id with each message, so that a test sees which context the generator ran in. */
async function* watchOrder({ orderId }: { orderId: string }, { signal }: { signal: AbortSignal }) {
  try {
    for (let sequence = 1n; sequence <= 3n; sequence += 1n) {
      await setImmediate();
      yield { sequence, order: { orderId: requestContext()?.requestId ?? "no context" } };
      if (orderId === "ord_broken") throw new Error('relation "orders" does not exist');
    }
    if (orderId === "ord_endless") await once(signal, "abort");
  } finally {
    ended.push(requestContext()?.requestId ?? "no context");
  }
}
const routes = (router: ConnectRouter) => router.service(OrdersService, { watchOrder });

beforeAll(async () => {
  server = await serveTest({ routes, log });
});
afterAll(() => server.close(0));

const transports: Record<string, () => Transport> = {
  "in process": () => createRouterTransport(routes, { router: testOptions(log), transport: { interceptors } }),
  "Connect over HTTP/1.1": () => createConnectTransport({ baseUrl: server.url, httpVersion: "1.1", interceptors }),
  "Connect over HTTP/2": () => createConnectTransport({ baseUrl: server.url, httpVersion: "2", interceptors }),
  "gRPC over HTTP/2": () => createGrpcTransport({ baseUrl: server.url, interceptors }),
  "gRPC-Web over HTTP/1.1": () => createGrpcWebTransport({ baseUrl: server.url, httpVersion: "1.1", interceptors }),
};

describe.each(Object.entries(transports))("a stream, %s", (name, transport) => {
  const watch = (orderId: string, about: { requestId: string; signal?: AbortSignal; timeoutMs?: number }) => {
    const { requestId, ...options } = about;
    return createClient(OrdersService, transport()).watchOrder(
      { orderId },
      { headers: { "x-request-id": requestId }, ...options },
    );
  };
  const endOf = async (stream: AsyncIterable<{ sequence: bigint }>) => {
    const sequences: bigint[] = [];
    try {
      for await (const { sequence } of stream) sequences.push(sequence);
      return { sequences, error: undefined };
    } catch (error) {
      return { sequences, error: ConnectError.from(error) };
    }
  };
  const requestId = (what: string) => `${what}-${name.replaceAll(/[^A-Za-z0-9]/g, "-")}`;
  const logged = (id: string) => lines.filter((line) => line["requestId"] === id && line["msg"] === "rpc");

  test("runs inside the context of its call to the end, and is one line in the log", async () => {
    const id = requestId("whole");
    const messages = await Array.fromAsync(watch("ord_1", { requestId: id }));
    expect(messages.map(({ order }) => order?.orderId)).toEqual([id, id, id]);
    expect(ended).toContain(id);
    expect(logged(id)).toEqual([expect.objectContaining({ code: "ok", method: "ordermesh.orders.v1.OrdersService/WatchOrder" })]);
  });

  test("that breaks says so after what it has said, and hides why", async () => {
    const id = requestId("broken");
    const { sequences, error } = await endOf(watch("ord_broken", { requestId: id }));
    expect(sequences).toEqual([1n]);
    expect(error).toMatchObject({ code: Code.Internal, rawMessage: "internal error" });
    expect(reasonOf(error)).toBe("INTERNAL");
    expect(logged(id)).toEqual([expect.objectContaining({ code: "internal" })]);
  });

  test("is refused where its request breaks the contract", async () => {
    const { error } = await endOf(watch("", { requestId: requestId("invalid") }));
    expect(error?.code).toBe(Code.InvalidArgument);
    expect(error?.findDetails(BadRequestSchema)[0]?.fieldViolations).toMatchObject([
      { field: "order_id", reason: "string.min_len" },
    ]);
  });

  test("ends at the deadline that its caller has set", async () => {
    const id = requestId("late");
    const { error } = await endOf(watch("ord_endless", { requestId: id, timeoutMs: 100 }));
    expect(error?.code).toBe(Code.DeadlineExceeded);
    await vi.waitFor(() => expect(ended).toContain(id));
  });

  test("ends when its caller goes away", async () => {
    const id = requestId("gone");
    const going = new AbortController();
    for await (const { sequence } of watch("ord_endless", { requestId: id, signal: going.signal })) {
      if (sequence === 3n) break;
    }
    going.abort();
    await vi.waitFor(() => expect(ended).toContain(id));
    await vi.waitFor(() => expect(logged(id)).toHaveLength(1));
  });
});

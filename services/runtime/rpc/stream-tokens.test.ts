// Streams end with the token that has opened them: over every protocol, whatever their handlers do.
import { getEventListeners } from "node:events";
import { setImmediate } from "node:timers/promises";
import { Code, ConnectError, createClient, createRouterTransport, type ConnectRouter, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { OrdersService } from "#gen/ordermesh/orders/v1/orders_service_pb.ts";
import { serviceCaller } from "#runtime/access/caller.ts";
import { createRevoked } from "#runtime/access/revoked.ts";
import { clockToleranceSeconds, createFollowToken } from "#runtime/access/token-life.ts";
import type { VerifyToken } from "#runtime/access/verify-token.ts";
import { systemClock } from "#runtime/clock.ts";
import { reasonOf } from "#runtime/errors.ts";
import { requestContext } from "#runtime/request-context.ts";
import { bearer } from "../../../tools/bearer.ts";
import { recordingLog, serveTest, testOptions, type TestServer } from "./testing.fixture.ts";

const { log, lines } = recordingLog();
const revoked = createRevoked(systemClock);
const follow = createFollowToken({ revoked, clock: systemClock });
/** Its id is what is shown; one that says "soon" has a moment left. */
const verify: VerifyToken = (token) => {
  const leftMs = token.startsWith("soon") ? 300 - clockToleranceSeconds * 1_000 : 600_000;
  return Promise.resolve({ ...serviceCaller("demo"), tokenId: token, endMs: Date.now() + leftMs });
};

let server: TestServer;
let open = 0;
const ended: (string | undefined)[] = [];
const signals: AbortSignal[] = [];

/** Says one thing and then waits, as its order id has it: for its signal, or for nothing at all. */
async function* watchOrder({ orderId }: { orderId: string }, { signal }: { signal: AbortSignal }) {
  open += 1;
  signals.push(signal);
  try {
    yield { sequence: 1n };
    if (orderId === "ord_talkative") for (;;) yield await setImmediate({ sequence: 2n });
    const over = Promise.withResolvers<void>();
    if (orderId === "ord_listening") signal.addEventListener("abort", () => over.resolve(), { once: true });
    await over.promise;
  } finally {
    open -= 1;
    ended.push(requestContext()?.requestId);
  }
}
const routes = (router: ConnectRouter) => router.service(OrdersService, { watchOrder });

beforeAll(async () => {
  server = await serveTest({ routes, log, verify, gate: { follow } });
});
beforeEach(() => {
  ended.length = 0;
  signals.length = 0;
});
afterAll(() => server.close(0));

const transports: Record<string, (token: string) => Transport> = {
  "in process": (token) =>
    createRouterTransport(routes, {
      router: testOptions(log, verify, { follow }),
      transport: { interceptors: [bearer(token)] },
    }),
  "Connect over HTTP/1.1": (token) =>
    createConnectTransport({ baseUrl: server.url, httpVersion: "1.1", interceptors: [bearer(token)] }),
  "Connect over HTTP/2": (token) =>
    createConnectTransport({ baseUrl: server.url, httpVersion: "2", interceptors: [bearer(token)] }),
  "gRPC over HTTP/2": (token) => createGrpcTransport({ baseUrl: server.url, interceptors: [bearer(token)] }),
  "gRPC-Web over HTTP/1.1": (token) =>
    createGrpcWebTransport({ baseUrl: server.url, httpVersion: "1.1", interceptors: [bearer(token)] }),
};

/** Reads to the end and says what that was; calls back at the first message. */
async function endOf(transport: Transport, orderId: string, onFirst: () => void = () => {}): Promise<unknown[]> {
  const headers = { "x-request-id": `req-${orderId}` };
  try {
    for await (const { sequence } of createClient(OrdersService, transport).watchOrder({ orderId }, { headers }))
      if (sequence === 1n) onFirst();
    return ["over"];
  } catch (error) {
    return [Code[ConnectError.from(error).code], reasonOf(error)];
  }
}

const revoke = (id: string): void => revoked.add(id, Date.now() + 600_000);

describe.each(Object.entries(transports))("a stream, %s,", (name, transportWith) => {
  const tokenFor = (what: string): string => `${what}-${name.replaceAll(/[^A-Za-z0-9]/g, "-")}`;

  test.each(["listening", "deaf", "talkative"])("ends when its token is revoked, of a handler that is %s", async (handler) => {
    const token = tokenFor(handler);
    let revokedMs = 0;
    const end = await endOf(transportWith(token), `ord_${handler}`, () =>
      setTimeout(() => {
        revokedMs = performance.now();
        revoke(token);
      }, 50),
    );
    expect(end).toEqual(["Unauthenticated", "TOKEN_REVOKED"]);
    expect(performance.now() - revokedMs).toBeLessThan(1_000);
    if (handler !== "deaf") await vi.waitFor(() => expect(ended).toEqual([`req-ord_${handler}`]));
    expect(lines.findLast(({ msg }) => msg === "rpc")).toMatchObject({ code: "unauthenticated" });
  });

  test("ends when the time of its token is over", async () => {
    expect(await endOf(transportWith(tokenFor("soon")), "ord_listening")).toEqual(["Unauthenticated", "TOKEN_EXPIRED"]);
  });

  test("of another token goes on", async () => {
    const [mine, others] = [tokenFor("mine"), tokenFor("others")];
    let isOver = false;
    const end = endOf(transportWith(mine), "ord_listening", () => revoke(others)).finally(() => (isOver = true));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(isOver).toBe(false);
    revoke(mine);
    expect(await end).toEqual(["Unauthenticated", "TOKEN_REVOKED"]);
  });
});

/** Other tests use the machine too. */
const patience = { timeout: 15_000 };

test("hundreds of streams leave no listener behind, whether they are ended or left", async () => {
  await vi.waitFor(() => expect(open).toBe(Object.keys(transports).length));
  const [transport] = [transports["Connect over HTTP/2"]!("many")];
  const client = createClient(OrdersService, transport);
  const before = revoked.heard();
  const going = new AbortController();
  const left = Array.from({ length: 150 }, () => client.watchOrder({ orderId: "ord_listening" }, { signal: going.signal }));
  await Promise.all(left.map((stream) => stream[Symbol.asyncIterator]().next()));
  const ends = Array.from({ length: 150 }, () => endOf(transport, "ord_listening"));
  await vi.waitFor(() => expect(signals).toHaveLength(300), patience);
  // Of the token, and of all tokens of its shop.
  expect(revoked.heard()).toBe(before + 2);
  going.abort();
  await vi.waitFor(() => expect(ended).toHaveLength(150), patience);
  revoke("many");
  for (const end of await Promise.all(ends)) expect(end).toEqual(["Unauthenticated", "TOKEN_REVOKED"]);
  await vi.waitFor(() => expect(ended).toHaveLength(300), patience);
  expect(revoked.heard()).toBe(before);
  for (const signal of signals) expect(getEventListeners(signal, "abort")).toEqual([]);
});
